"""Values as they are given to an estimate: checked once, at the door."""

import numpy as np
import numpy.typing as npt

from auction.errors import InputError
from auction.slate import Float64, Int64

MOST_VALUE = 2.0**53
"""Whole numbers are exact in a double up to here."""


def as_values(name: str, values: npt.ArrayLike, *, least: int = 1) -> Float64:
    """`values` as a float64 column.

    Args:
        name: the parameter, for the error.
        values: one per bid, or per auction; in micros, or any other unit of money.
        least: how many there must be.

    Raises:
        InputError: not one column of numbers, too few, or one that is negative, not finite or above 2^53.
    """
    try:
        column = np.asarray(values)
    except ValueError:
        raise InputError(name, "a ragged list", "give a column of numbers") from None
    if column.ndim != 1:
        raise InputError(name, column.shape, "give a column of one dimension")
    if column.size and column.dtype.kind not in "iuf":
        raise InputError(name, str(column.dtype), "give a column of numbers")
    if len(column) < least:
        raise InputError(name, f"{len(column)} values", f"give at least {least}")
    checked: Float64 = column.astype(np.float64)
    wrong = np.flatnonzero(~((checked >= 0) & (checked <= MOST_VALUE)))
    if len(wrong):
        at = int(wrong[0])
        raise InputError(f"{name}[{at}]", column[at].item(), "give a finite value, from 0 to 2**53")
    return checked


def as_clusters(clusters: npt.ArrayLike, count: int) -> Int64:
    """The whole number of each of `count` values: equal ones were drawn together.

    Raises:
        InputError: not one whole number per value.
    """
    labels = np.asarray(clusters)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise InputError("cluster", str(labels.shape), f"give one whole number per value: {count}")
    return labels.astype(np.int64)
