"""Logged slates through the auction's own batch entry: the code that decided them."""

from collections.abc import Iterator

import numpy as np

from auction.batch import OutcomeBatch
from auction.cores import hold_auctions_on
from auction.errors import InputError
from auction.log.decisions import Decisions
from auction.policy import AuctionPolicy


def decide_again(decisions: Decisions, policy: AuctionPolicy, cores: int = 1) -> OutcomeBatch:
    """Hold every auction again under `policy`, on so many cores; the outcomes are the same on any number.

    Raises:
        InputError: the auction refuses a logged slate, or the policy; names the log's file.
    """
    try:
        return hold_auctions_on(decisions.slates, policy, cores)
    except InputError as error:
        raise InputError(f"{decisions.source}: {error.field}", error.value, error.fix) from None


def policy_groups(decisions: Decisions) -> Iterator[tuple[str, Decisions]]:
    """The decisions by the policy they were made under, in their order."""
    codes = decisions.policy_hash.dictionary_encode()
    rows = codes.indices.to_numpy()
    for code, policy_hash in enumerate(codes.dictionary.to_pylist()):
        yield policy_hash, decisions.take(np.flatnonzero(rows == code))
