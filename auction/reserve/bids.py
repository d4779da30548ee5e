"""The bids of a decision log, as far as a reserve can see them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auction.billable import Billable
from auction.errors import InputError
from auction.log.reader import DecisionLog
from auction.paced import paced_bids
from auction.reason import Reason
from auction.replay.replay import Progress
from auction.slate import Int64

SEGMENTS = ("advertiser", "campaign", "category")
"""What a log's bids can be divided by."""
NO_BIDDER = (Reason.INVALID, Reason.RELEVANCE)
"""Ads that could not have been shown at any bid. One below the old reserve could: its bid counts."""


@dataclass(frozen=True, slots=True)
class LoggedBids:
    """Every bid for one kind of event in a log, losers and those below the reserve included."""

    event: Billable
    bid_micros: Int64
    """[n], after pacing and by the odds of the goal, in whole micros: what a reserve is compared with."""
    advertiser: Int64
    campaign: Int64
    category: Int64

    def __len__(self) -> int:
        return len(self.bid_micros)

    def segment(self, by: str) -> Int64:
        """The label of each bid: its `advertiser`, `campaign` or `category`."""
        if by not in SEGMENTS:
            raise InputError("by", by, f"give one of {', '.join(SEGMENTS)}")
        labels: Int64 = getattr(self, by)
        return labels


def logged_bids(
    log: DecisionLog | str | Path, event: Billable, *, progress: Progress | None = None
) -> LoggedBids:
    """Collect them from the auctions that were held.

    Raises:
        InputError: an unreadable log (names the file), or one without a bid for the event.
    """
    log = log if isinstance(log, DecisionLog) else DecisionLog(log)
    parts: list[tuple[Int64, ...]] = []
    others: set[int] = set()
    for batch in log.decisions():
        slates = batch.slates
        held = batch.held[np.repeat(np.arange(len(batch)), np.diff(slates.ad_start))]
        bidding = held & ~np.isin(batch.reason, NO_BIDDER)
        others.update(np.unique(slates.billable[bidding]).tolist())
        taken = np.flatnonzero(bidding & (slates.billable == event))
        # Floored in doubles, as the auction does.
        bid = np.floor(paced_bids(slates)[taken]).astype(np.int64)
        parts.append((bid, slates.advertiser_id[taken], slates.campaign_id[taken], slates.category_id[taken]))
        if progress is not None:
            progress(len(batch))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    if not columns or len(columns[0]) == 0:
        known = ", ".join(Billable(code).name.lower() for code in sorted(others)) or "nothing"
        fix = f"the log {log.folder} holds bids for: {known}"
        raise InputError("event", event.name.lower(), fix)
    return LoggedBids(event, *columns)
