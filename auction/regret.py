"""What an advertiser could gain by a bid other than its value: measured, not denied.

VCG leaves nothing to gain but rounding. The second price is truthful only where an ad competes for one
slot; with several it pays to bid lower for a lesser slot at a lower price, as in any next-price auction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auction.auction import hold_auctions
from auction.batch import SlateBatch
from auction.policy import AuctionPolicy
from auction.slate import Float64, Int64, Slate


@dataclass(frozen=True, slots=True)
class Regret:
    """Of every ad of a slate, bids taken as values, all other bids fixed."""

    utility_micros: Float64
    """Expected (value - price) at the bid as it is: per event, times its probability and exposure."""
    best_utility_micros: Float64
    """The same at the best bid of the grid."""
    best_bid_micros: Int64

    @property
    def regret_micros(self) -> Float64:
        """Never negative: the grid holds the bid itself."""
        return self.best_utility_micros - self.utility_micros


def measure_regret(slate: Slate, policy: AuctionPolicy, factors: Sequence[float]) -> Regret:
    """Hold the auction again with each ad's bid changed, one at a time.

    Args:
        slate: bids are taken as the advertisers' values; multipliers as what pacing did to them.
        factors: changed bids as multiples of the bid.
    """
    ads = len(slate.ad_id)
    trials = [(i, 1.0) for i in range(ads)] + [(i, f) for i in range(ads) for f in factors]
    slates = []
    for ad, factor in trials:
        bids = slate.bid_micros.copy()
        bids[ad] = round(int(bids[ad]) * factor)
        slates.append(replace(slate, bid_micros=bids))
    outcomes = hold_auctions(SlateBatch.of(slates), policy)
    chance = np.choose(slate.billable, [np.ones(ads), slate.p_click, slate.p_click_conversion])
    value = np.floor(slate.bid_micros * slate.multiplier)
    utility, best = np.zeros(ads), np.full(ads, -np.inf)
    best_bid = np.zeros(ads, np.int64)
    for (ad, factor), changed, outcome in zip(trials, slates, outcomes, strict=True):
        gain = float((value[ad] - outcome.price_micros[ad]) * chance[ad] * outcome.exposure[ad])
        if factor == 1.0 and best[ad] == -np.inf:
            utility[ad] = gain
        if gain > best[ad]:
            best[ad], best_bid[ad] = gain, changed.bid_micros[ad]
    return Regret(utility, best, best_bid)
