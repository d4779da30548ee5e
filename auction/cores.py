"""Auctions on several cores: a batch is split between slates, and each part is held in a thread.

Threads are enough, since the kernels run without the interpreter's lock, and nothing is copied on the way
in: a part is a view. Slates do not look at one another, so the outcomes are those of one call, bit for bit.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from itertools import pairwise

import numpy as np

from auction.auction import hold_auctions
from auction.batch import GROUPS, PER_SLATE, OutcomeBatch, SlateBatch
from auction.errors import InputError
from auction.policy import AuctionPolicy
from auction.slate import Int64

PARTS_PER_CORE = 4
"""More parts than cores: what a slate costs cannot be read from its size, so a core that is done takes
another part."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_cores(cores: int | None) -> int:
    """`cores`, or every core that this process may run on where it is None.

    Raises:
        InputError: below 1.
    """
    count = usable_cores() if cores is None else cores
    if count < 1:
        raise InputError("cores", count, "give 1 or more")
    return count


def hold_auctions_on(batch: SlateBatch, policy: AuctionPolicy, cores: int | None = None) -> OutcomeBatch:
    """Decide many requests on up to `cores` cores: the outcomes of `hold_auctions`, bit for bit.

    Args:
        cores: threads to use; None for every core that this process may run on.

    Raises:
        InputError: as `hold_auctions` does, naming the slate by its index in the whole batch; or `cores` is
            below 1.
    """
    count = count_cores(cores)
    cuts = _cuts(batch, count * PARTS_PER_CORE) if count > 1 and len(batch) > 1 else np.zeros(0, np.int64)
    if len(cuts) < 3:
        return hold_auctions(batch, policy)
    checked = batch.checked()
    spans = [(int(first), int(last)) for first, last in pairwise(cuts)]
    with ThreadPoolExecutor(min(count, len(spans)), "auction") as pool:
        try:
            held = list(pool.map(lambda span: hold_auctions(_part(checked, *span), policy), spans))
        except InputError:
            pool.shutdown(wait=True, cancel_futures=True)
            # A part counts slates from its own first one: one call over all says what it always says.
            return hold_auctions(checked, policy)
        names = [field.name for field in fields(OutcomeBatch) if field.name != "ad_start"]
        columns = pool.map(lambda name: np.concatenate([getattr(part, name) for part in held]), names)
        return OutcomeBatch(ad_start=checked.ad_start, **dict(zip(names, columns, strict=True)))


def _cuts(batch: SlateBatch, parts: int) -> Int64:
    """Slate indices [<= parts + 1], rising from 0 to the batch's length: parts alike in candidates."""
    if len(batch.ad_start) != len(batch) + 1 or len(batch.organic_start) != len(batch) + 1:
        return np.zeros(0, np.int64)  # one call refuses such a batch, in its own words
    load = np.asarray(batch.ad_start) + np.asarray(batch.organic_start) + np.arange(len(batch) + 1)
    goals = load[0] + (load[-1] - load[0]) * np.arange(1, parts) / parts
    return np.unique(np.concatenate([[0], np.searchsorted(load, goals), [len(batch)]])).astype(np.int64)


def _part(batch: SlateBatch, first: int, last: int) -> SlateBatch:
    """Slates ``first:last`` of a checked batch, as views of its columns."""
    columns: dict[str, np.ndarray] = {name: getattr(batch, name)[first:last] for name in PER_SLATE}
    for starts, names in GROUPS.items():
        start = getattr(batch, starts)[first : last + 1]
        columns[starts] = start - start[0]
        columns |= {name: getattr(batch, name)[start[0] : start[-1]] for name in names}
    return SlateBatch(**columns)
