"""A decision log of slates that a test made itself, each decided as it is written."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import numpy as np

from auction.auction import hold_auction
from auction.batch import SlateBatch
from auction.log import DecisionRecord, LogWriter
from auction.policy import AuctionPolicy
from auction.slate import Slate


def log_slates(
    folder: Path, slates: Iterable[Slate], policy: AuctionPolicy | Iterable[AuctionPolicy], users: int = 0
) -> Path:
    """Write the slates' decisions; returns the folder.

    Args:
        policy: of every slate, or one for each.
        users: decision n is of user ``n % users``; 0: of nobody.
    """
    one = isinstance(policy, AuctionPolicy)
    with LogWriter(folder, "w") as writer:
        for n, (slate, own) in enumerate(zip(slates, repeat(policy) if one else policy, strict=not one)):
            outcome = hold_auction(slate, own)
            writer.append(
                DecisionRecord(
                    request_id=f"r{n}",
                    user_id=f"u{n % users}" if users else None,
                    surface="home",
                    time=datetime(2026, 1, 1, tzinfo=UTC),
                    policy_hash=writer.keep(own),
                    slate=slate,
                    outcome=outcome,
                    organic_id=["pin"] * len(slate.organic_utility),
                    placement_id=[f"p{n}-{at}" for at in range(np.count_nonzero(outcome.position))],
                )
            )
    return folder


def log_batch(folder: Path, batch: SlateBatch, policy: AuctionPolicy, users: int = 0) -> Path:
    """`log_slates` of a batch."""
    return log_slates(folder, (batch.slate(n) for n in range(len(batch))), policy, users)
