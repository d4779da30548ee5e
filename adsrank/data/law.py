"""The constants of a market's truth, and a few markets that differ in kind.

A policy that is tuned and judged in one simulated market is judged too kindly. These laws are there to
be held out: train in one, judge in another.
"""

import math
from dataclasses import dataclass, field

from adsrank.data.exposure import PAGE_LENGTH, ExposureLaw


@dataclass(frozen=True, slots=True)
class Law:
    """Base rates and sizes of the effects of one market."""

    click_rate: float = 0.022
    """Average over random pairs of visit and ad, given seen."""
    matched_click_rate: float = 0.065
    """Average over pairs of a visit and one of its fifty nearest ads."""
    save_rate: float = 0.015
    hide_rate: float = 0.005
    conversion_rate: float = 0.05
    """Average over the clicks of random pairs."""
    quality_sd: float = 0.35
    """Of ads and, drawn apart, of advertisers."""
    taste_sd: float = 0.25
    """Of users, and of a user's liking of one interest."""
    noise_sd: float = 0.35
    """Of a request and an ad: no model can know it."""
    warmth: float = 0.5
    """Of the user's last actions on the ad's interest, by their types and ages (`actions.Actions.warmth`)."""
    exposure: ExposureLaw = field(default_factory=ExposureLaw)


def _steep() -> tuple[float, ...]:
    return tuple(round(math.exp(-(s - 1) / 9), 4) for s in range(1, PAGE_LENGTH + 1))


LAWS: dict[str, Law] = {
    "plain": Law(),
    # Most of what decides cannot be known before.
    "noisy": Law(noise_sd=0.9, taste_sd=0.5),
    # Who advertises what matters more than whether it matches.
    "brand": Law(matched_click_rate=0.035, quality_sd=0.7),
    # Users leave early and mind ads that stand close.
    "impatient": Law(exposure=ExposureLaw(examination=_steep(), gap_effect=(0.3, 0.5, 0.7, 0.85))),
}
