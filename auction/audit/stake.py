"""What each ad brings to the auction, worked out a second time from the text of ``docs/auction.md``."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from auction.batch import OutcomeBatch, SlateBatch
from auction.billable import Billable, event_probability
from auction.paced import paced_bids
from auction.policy import AuctionPolicy, Quality, Squash
from auction.reason import Reason
from auction.slate import Float64, Int64

ROOTS = 60
"""Halvings after which nothing is left of an exponent of a double."""

TURNED_AWAY = (Reason.INVALID, Reason.RELEVANCE, Reason.BELOW_RESERVE)

LARGEST = 2**53
"""Micros; a bid beyond it does not take part."""


@dataclass(frozen=True, slots=True)
class Stakes:
    """Of every ad of a batch, in the batch's order; plain numpy, no kernel."""

    bid: Int64
    """Whole micros per billable event, after pacing and the odds of the goal."""
    chance: Float64
    """Of the billable event, per examined impression: what a price is multiplied by to be expected."""
    score_chance: Float64
    """What stands for it in the score; another one only where the policy squashes."""
    worth: Int64
    """Thousandths of a micro per look."""
    reserve: Int64
    """Micros per billable event."""
    competes: npt.NDArray[np.bool_]

    @property
    def rounding_micros(self) -> Float64:
        """[ads] the most that the rounding of VCG alone leaves to gain in a full look, in micros.

        A price is rounded up to a whole micro of the event (its chance, per look), the worth of the bid
        down to a thousandth, once in the price and once on either side of the comparison.
        """
        ratio = np.divide(
            self.chance, self.score_chance, out=np.ones_like(self.chance), where=self.score_chance > 0
        )
        rounding: Float64 = self.chance + 0.003 * ratio
        return rounding


def stakes(batch: SlateBatch, policy: AuctionPolicy, outcomes: OutcomeBatch) -> Stakes:
    """The stakes of `batch`; `outcomes` (of the same batch and policy) say which ads were turned away."""
    competes = ~np.isin(outcomes.reason, TURNED_AWAY)
    chance = event_probability(batch.billable, batch.p_click, batch.p_click_conversion, batch.p_view)
    bids = paced_bids(batch)
    # An ad that was turned away keeps what it has, as far as it is a number.
    bid = np.floor(np.where(np.isfinite(bids), np.minimum(bids, LARGEST), 0.0)).astype(np.int64)
    score_chance = _squashed(batch, policy.squash, chance)
    with np.errstate(invalid="ignore", over="ignore"):
        quality = _quality(batch, policy.quality)
        worth = np.floor(bid * (score_chance * 1_000)) + np.rint(quality * 1_000)
    return Stakes(
        bid=bid,
        chance=np.where(competes, chance, 0.0),
        score_chance=np.where(competes, score_chance, 0.0),
        worth=np.where(competes, worth, 0.0).astype(np.int64),
        reserve=np.maximum(np.array(policy.reserve.by_event)[batch.billable], batch.reserve_micros),
        competes=competes,
    )


def paced(batch: SlateBatch, found: Stakes, outcomes: OutcomeBatch) -> SlateBatch:
    """The same auctions with every bid given as it takes part: multiplier 1, bid for the billable event.

    An ad that was INVALID stays so.
    """
    invalid = outcomes.reason == Reason.INVALID
    return replace(
        batch,
        bid_micros=found.bid,
        multiplier=np.ones(len(found.bid)),
        goal=batch.billable,
        relevance=np.where(invalid, np.nan, batch.relevance),
    )


def _quality(batch: SlateBatch, quality: Quality) -> Float64:
    liked = quality.save_micros * batch.p_save + quality.click_micros * batch.p_click
    total: Float64 = liked - quality.hide_micros * batch.p_hide
    return total


def _squashed(batch: SlateBatch, squash: Squash, chance: Float64) -> Float64:
    if squash.exponent == 1.0:
        return chance
    reference = np.array(squash.by_event)[batch.billable]
    with np.errstate(invalid="ignore"):
        ratio = chance / reference
        power, root, left = np.ones_like(ratio), ratio, squash.exponent
        for _ in range(ROOTS):
            root, left = np.sqrt(root), 2.0 * left
            if left >= 1.0:
                power, left = power * root, left - 1.0
    return np.where(batch.billable == Billable.IMPRESSION, chance, reference * power)
