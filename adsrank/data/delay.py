"""How long after a click people buy: quick purchases and considered ones.

A mixture of two exponential laws, each cut at the longest delay. Which of the two it is may lean on who
sells (furniture is slept on, a phone case is not) and on how dear the basket is, so that in some
markets no one law of the delay is right for every ad.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from adsrank.data.world import DAY_S, Float64

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class DelayLaw:
    """Shares, means and leanings of the two kinds of purchase."""

    quick_share: float = 0.55
    """Of purchases, where nothing leans."""
    quick_mean_s: float = 1.2 * HOUR_S
    considered_mean_s: float = 20 * HOUR_S
    """Means before the cut."""
    longest_s: float = 3.0 * DAY_S
    advertiser_sd: float = 0.0
    """Spread of advertisers in the log-odds of a quick purchase."""
    basket_effect: float = 0.0
    """How much those log-odds fall where the basket is e times as dear."""

    def draw(self, kind: Float64, drawn: Float64, advertiser: Float64, basket: Float64) -> Float64:
        """Seconds from click to purchase, [n].

        Parameters:
            kind, drawn: uniform draws, of the kind of purchase and of its delay.
            advertiser: standard normal, one value an advertiser.
            basket: log of the order's value over the usual one.
        """
        share: Float64 | float = self.quick_share
        if self.advertiser_sd or self.basket_effect:
            share = expit(logit(share) + self.advertiser_sd * advertiser - self.basket_effect * basket)
        mean = np.where(kind < share, self.quick_mean_s, self.considered_mean_s)
        delay: Float64 = -mean * np.log1p(-drawn * -np.expm1(-self.longest_s / mean))
        return delay
