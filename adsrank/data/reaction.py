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
_SEEN, _CLICK, _SAVE, _HIDE, _SALE, _DELAY, _DELAY_KIND, _VALUE, _DWELL, _BASKET = range(201, 211)

LONGEST_DELAY_S = 3 * 86_400.0
_DELAYS = ((0.55, 1.2 * 3600.0), (0.45, 20.0 * 3600.0))
"""(share, mean seconds) of quick and of considered purchases, before the cut at three days."""
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
        delay_s=_delay(draw.uniform(pair, _DELAY_KIND), draw.uniform(pair, _DELAY)),
        value_micros=_value(truth, context, draw.normal(pair, _VALUE)),
    )


def _delay(kind: Float64, drawn: Float64) -> Float64:
    """A mixture of two exponentials, each cut at three days by the inverse of its distribution."""
    mean = np.where(kind < _DELAYS[0][0], _DELAYS[0][1], _DELAYS[1][1])
    return -mean * np.log1p(-drawn * -np.expm1(-LONGEST_DELAY_S / mean))


def _value(truth: Truth, context: Context, drawn: Float64) -> Int64:
    """Order value in micros: log-normal around the advertiser's usual basket, whole cents, at least one."""
    advertiser = truth.inventory.advertiser_id[context.ad]
    basket = np.log(45.0) + 0.5 * draw.normal(truth.seed, _BASKET, advertiser)
    value: Int64 = np.maximum(np.rint(np.exp(basket + 0.55 * drawn) * 100), 1).astype(np.int64) * 10_000
    return value
