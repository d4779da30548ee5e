"""What every ad of a batch bids for its billable event, once pacing and the odds of its goal are in it."""

import numpy as np

from auction.batch import SlateBatch
from auction.billable import event_probability
from auction.slate import Float64


def paced_bids(batch: SlateBatch) -> Float64:
    """[ads] micros per billable event, of which the auction takes the whole ones.

    A target per goal event is a bid per billable event by the odds of the one given the other. It is not
    finite where the billable event cannot happen; the auction turns such an ad away.
    """
    chances = batch.p_click, batch.p_click_conversion, batch.p_view
    billed, goal = (event_probability(event, *chances) for event in (batch.billable, batch.goal))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bid: Float64 = batch.bid_micros.astype(np.float64) * batch.multiplier
        return np.where(batch.goal != batch.billable, bid * (goal / billed), bid)
