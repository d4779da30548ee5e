"""The table of the layout's dynamic program: a base market, and the trials that differ from it."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.compiled import kernel, leaf
from auction.grid import Grid
from auction.slate import Int8, Int64

LEAST = -(2**62)
"""Below every total."""


class Table(NamedTuple):
    """States of two solves: rows [0, states) of the base market, [states, 2 * states) of a trial.

    A trial writes only the states that its change can touch and reads the others from the base.
    """

    counts: Int64
    """[states, classes]: ads used of each class."""
    parent: Int64
    """[states, classes]: state with one ad of the class less, -1 where none is used."""
    used: Int64
    """[states]: ads used in all."""
    alive: Int8
    """[2 * states]"""
    before_worth: Int64
    """[2 * states, last + 1, gap classes] laid flat, as all below but `end_*`: the best cell of the
    state that an ad at (s, class) may follow."""
    before_tie: Int64
    before_cell: np.ndarray
    """int32: that cell, ``s * gap classes + class``."""
    pick: Int8
    """[2 * states, 1 + touching, last + 1, gap classes]: tolerance class of the ad there."""
    worth: Int64
    """[1 + touching, last + 1, gap classes]: of the state at hand."""
    tie: Int64
    end_worth: Int64
    """[2 * states]: best total if the feed ends with this state."""
    end_tie: Int64
    end_cell: Int64
    source: Int64
    """[classes]: where the row begins that the state at hand extends by an ad, -1 for none."""
    last_worth: Int64
    """[classes]: that ad's worth; `last_tie` its hash."""
    last_tie: Int64


@kernel
def count_states(limit: Int64, ads: int) -> int:
    """Vectors of counts within `limit` per class and `ads` in all."""
    ways = np.zeros(ads + 1, np.int64)
    ways[0] = 1
    for c in range(limit.shape[0]):
        for total in range(ads, -1, -1):
            several = np.int64(0)
            for k in range(min(limit[c], total) + 1):
                several += ways[total - k]
            ways[total] = several
    return int(ways.sum())


@kernel
def new_table(grid: Grid, limit: Int64) -> Table:
    """Storage for slates with at most `limit` useful ads in each class."""
    classes = limit.shape[0]
    states = count_states(limit, grid.ads)
    counts = np.zeros((states, classes), np.int64)
    parent = np.full((states, classes), -1, np.int64)
    used = np.zeros(states, np.int64)
    radix = np.ones(classes, np.int64)
    for c in range(classes - 2, -1, -1):
        radix[c] = radix[c + 1] * (limit[c + 1] + 1)
    index = np.full(radix[0] * (limit[0] + 1), -1, np.int64)
    state = 0
    for code in range(index.shape[0]):
        total = 0
        for c in range(classes):
            total += (code // radix[c]) % (limit[c] + 1)
        if total > grid.ads:
            continue
        index[code] = state
        used[state] = total
        for c in range(classes):
            counts[state, c] = (code // radix[c]) % (limit[c] + 1)
            if counts[state, c] > 0:
                parent[state, c] = index[code - radix[c]]
        state += 1
    width = grid.near + 1
    size = grid.last + 1
    table = Table(
        counts,
        parent,
        used,
        np.zeros(2 * states, np.int8),
        np.empty(2 * states * size * width, np.int64),
        np.empty(2 * states * size * width, np.int64),
        np.empty(2 * states * size * width, np.int32),
        np.empty(2 * states * (1 + grid.touching) * size * width, np.int8),
        np.empty((1 + grid.touching) * size * width, np.int64),
        np.empty((1 + grid.touching) * size * width, np.int64),
        np.empty(2 * states, np.int64),
        np.empty(2 * states, np.int64),
        np.empty(2 * states, np.int64),
        np.empty(classes, np.int64),
        np.empty(classes, np.int64),
        np.empty(classes, np.int64),
    )
    for s in range(1, size):
        for c in range(width):
            cell = s * width + c
            open_here = grid.opening[s] == c and grid.exposure[cell] > 0
            table.before_worth[cell] = 0 if open_here else LEAST
            table.before_tie[cell] = 0
            table.before_cell[cell] = 0
    table.alive[0] = 1
    table.end_worth[0] = grid.tail[0]
    table.end_tie[0] = 0
    table.end_cell[0] = 0
    return table


@leaf
def is_dirty(table: Table, state: int, changed: Int64) -> bool:
    """Whether a trial whose lists differ from rank `changed` on (per class) touches the state."""
    for c in range(changed.shape[0]):  # noqa: SIM110 (kernels have no generators)
        if table.counts[state, c] > changed[c]:
            return True
    return False


@leaf
def row_of(table: Table, state: int, changed: Int64, trial: bool) -> int:
    if trial and is_dirty(table, state, changed):
        return state + table.counts.shape[0]
    return state
