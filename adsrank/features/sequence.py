"""Lists of actions set into arrays of one width: the newest in the last place, padding in front."""

import numpy as np

from adsrank.errors import InputError
from adsrank.features import source
from adsrank.features.batch import ActionSequence
from adsrank.features.source import Columns, Float64, Int64
from adsrank.features.spec import FeatureRow

OLDEST = 3_650 * 86_400.0
"""Seconds: an age beyond it, or one that is not known, counts as this one."""


def read(columns: Columns, row: FeatureRow) -> tuple[list[Int64], Float64, Int64]:
    """Values of each column of the actions, their ages in seconds, and the offsets [r + 1] all share.

    Raises:
        InputError: a column absent, of another type, or with other lengths than the first; names it.
    """
    assert row.age is not None
    age, offsets = source.number_lists(columns, row.age)
    values = []
    for _, name in row.tables:
        found, others = source.lists(columns, name)
        if not np.array_equal(others, offsets):
            raise InputError(name, "lists of other lengths", f"give as many elements a row as {row.age} has")
        values.append(found)
    return values, age, offsets


def pad(ids: list[Int64], age: Float64, offsets: Int64, length: int) -> ActionSequence:
    """The last `length` actions of each row, [r, length, C] of the C columns `ids`."""
    first, end = offsets[:-1], offsets[1:]
    kept = np.minimum(end - first, length)
    out = np.zeros((len(first), length, len(ids)), np.int64)
    old = np.zeros((len(first), length), np.float32)
    owner = np.repeat(np.arange(len(first)), kept)
    back = np.repeat(np.cumsum(kept), kept) - np.arange(len(owner))  # 1 is the newest
    at, place = end[owner] - back, length - back
    for number, column in enumerate(ids):
        out[owner, place, number] = column[at]
    seconds = age[at]
    seconds = np.where(np.isnan(seconds), OLDEST, np.clip(seconds, 0.0, OLDEST))
    old[owner, place] = np.log1p(seconds)
    return ActionSequence(out, old)
