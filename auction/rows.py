"""Layouts as the trials of one auction write and compare them."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.compiled import kernel, leaf
from auction.grid import Grid, need_ahead, need_behind
from auction.slate import Int64

# A literal argument would compile its callee once per literal: hence the typed integers.
SHOWN = np.int64(0)
"""Row of `Rows` that holds the decided layout; trials write the others."""
LOSING = np.int64(1)
KEPT = np.int64(2)
TRIAL = np.int64(3)
SOLVED = np.int64(4)
ROWS = 5


class Rows(NamedTuple):
    """Layouts: one row each, ads in feed order."""

    work: Int64
    """[5]: as `auction.settle` names its entries."""

    count: Int64
    total: Int64
    tie: Int64
    probe_worth: Int64
    """Worth of the ad on trial, where there was one."""
    slot: Int64
    """[rows, ads]"""
    gap: Int64
    ad: Int64


@kernel
def new_rows(ads: int, limit: int, branches: int) -> Rows:
    size = (ROWS, max(ads, 1))
    return Rows(
        np.array([0, limit, 0, 0, branches], np.int64),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
    )


@leaf
def copy_row(rows: Rows, source: int, target: int) -> None:
    rows.count[target] = rows.count[source]
    rows.total[target] = rows.total[source]
    rows.tie[target] = rows.tie[source]
    rows.probe_worth[target] = rows.probe_worth[source]
    for n in range(rows.count[source]):
        rows.slot[target, n] = rows.slot[source, n]
        rows.gap[target, n] = rows.gap[source, n]
        rows.ad[target, n] = rows.ad[source, n]


@leaf
def place_of(rows: Rows, row: int, i: int) -> int:
    """Place of ad i in a layout, -1 where it is not in."""
    for n in range(rows.count[row]):
        if rows.ad[row, n] == i:
            return n
    return -1


@leaf
def exposure_at(grid: Grid, rows: Rows, row: int, n: int) -> int:
    """Units of exposure of a layout's n-th ad."""
    return grid.exposure[rows.slot[row, n] * (grid.near + 1) + rows.gap[row, n]]


@leaf
def exposure_of(grid: Grid, rows: Rows, row: int, i: int) -> int:
    """Units of exposure of ad i in a layout, 0 where it is not in."""
    n = place_of(rows, row, i)
    return exposure_at(grid, rows, row, n) if n >= 0 else np.int64(0)


@leaf
def need_at(grid: Grid, rows: Rows, row: int, n: int) -> int:
    """Tolerance class that the layout's n-th ad needs where it stands."""
    s = rows.slot[row, n]
    t = grid.rank[s] - n - 1
    behind, before = need_behind(grid, s, t), need_ahead(grid, s, t)
    if grid.touching == 1:
        if n > 0 and rows.slot[row, n - 1] == s - 1:
            behind = np.int64(0)
        if n + 1 < rows.count[row] and rows.slot[row, n + 1] == s + 1:
            before = np.int64(0)
    return max(behind, before)
