"""What users do with the ads they are shown: the truth's probabilities turned into events.

An ad is seen with probability e_s * g(d); a click, save or hide needs an ad that is seen, a conversion
needs a click. Every draw is keyed by (seed, request, ad, event), so an ad in a request that two policies
both show at the same slot gets the same reaction from both, and a better slot never loses a click.
"""

from dataclasses import dataclass

import numpy as np

from adsrank.data import draw
from adsrank.data.context import Context
from adsrank.data.truth import Truth
from adsrank.data.world import Float64, Int64

# Which draw of a reaction; never renumbered within a release.
_SEEN, _CLICK, _SAVE, _HIDE, _SALE, _DELAY, _DELAY_KIND, _VALUE, _DWELL, _BASKET, _PATIENCE = range(201, 212)

_USUAL_BASKET = 45.0
_READ_S = 1.6
"""Seconds a user spends on one position on the way down."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """Columns of n ads shown; times are seconds after the request."""

    seen: np.ndarray
    click: np.ndarray
    save: np.ndarray
    hide: np.ndarray
    conversion: np.ndarray
    seen_after_s: Float64
    acted_after_s: Float64
    """Click, save or hide."""
    delay_s: Float64
    """From the click to the conversion it would have."""
    value_micros: Int64
    """Of the order it would have."""


def react(truth: Truth, context: Context, position: np.ndarray, gap: np.ndarray) -> Reactions:
    """Draw the reactions to ads shown at 1-based `position`, `gap` positions from the ad before (0: none)."""
    pair = draw.bits(truth.seed, context.request_key, truth.inventory.ad_id[context.ad])

    def happens(event: int, chance: Float64) -> np.ndarray:
        drawn: np.ndarray = draw.uniform(pair, event) < chance
        return drawn

    advertiser = truth.inventory.advertiser_id[context.ad]
    basket = _basket(truth, advertiser, draw.normal(pair, _VALUE))
    chances = truth.chances(context)
    seen = happens(_SEEN, truth.law.exposure.of(position, gap))
    click = seen & happens(_CLICK, chances.click)
    dwell = 1.0 + 8.0 * -np.log(draw.uniform(pair, _DWELL))
    seen_after = 1.0 + _READ_S * position
    return Reactions(
        seen=seen,
        click=click,
        save=seen & happens(_SAVE, chances.save),
        hide=seen & happens(_HIDE, chances.hide),
        conversion=click & happens(_SALE, chances.conversion_given_click),
        seen_after_s=seen_after,
        acted_after_s=seen_after + np.minimum(dwell, 60.0),
        delay_s=truth.law.delay.draw(
            draw.uniform(pair, _DELAY_KIND),
            draw.uniform(pair, _DELAY),
            draw.normal(truth.seed, _PATIENCE, advertiser),
            basket - np.log(_USUAL_BASKET),
        ),
        value_micros=_micros(basket),
    )


def _basket(truth: Truth, advertiser: Int64, drawn: Float64) -> Float64:
    """Log of the order's value: normal around the log of the advertiser's usual basket."""
    usual = np.log(_USUAL_BASKET) + 0.5 * draw.normal(truth.seed, _BASKET, advertiser)
    basket: Float64 = usual + 0.55 * drawn
    return basket


def _micros(basket: Float64) -> Int64:
    """Whole cents, at least one, in micros."""
    value: Int64 = np.maximum(np.rint(np.exp(basket) * 100), 1).astype(np.int64) * 10_000
    return value
