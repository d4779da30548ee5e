"""The table of the layout's dynamic program: a base market, and the trials that differ from it."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.compiled import kernel, leaf
from auction.grid import Grid, need_ahead, need_behind
from auction.market import CRITICAL_LIMIT, SPECIAL_LIMIT, Market, drop_critical
from auction.slate import Int8, Int64

LEAST = -(2**62)
"""Below every total."""

CLOSED = 127
"""A tolerance class that no ad has."""

CRITICAL_CELLS = 2**19
"""Largest table that critical advertisers and categories may make: a few milliseconds a solve."""


class Table(NamedTuple):
    """States of two solves: rows [0, states) of the base market, [states, 2 * states) of a trial.

    A state is how many ads of each class are used, how many special ones, and what those use up. A trial
    writes only the states that its change can touch and reads the others from the base.
    """

    counts: Int64
    """[states, classes]: ads used of each class."""
    parent: Int64
    """[states, classes]: state with one ad of the class less, -1 where none is used."""
    used: Int64
    """[states]: ads used in all."""
    mask: Int64
    """[states]: what the special ads use up."""
    vector: Int64
    """[states]: number of the state's counts among all vectors of counts."""
    start: Int64
    """[masks * (ads + 1)]: first state of (mask, special ads), -1 where no ads make it; states of one
    such pair stand in the order of their vectors."""
    row: Int64
    """[states]: where the solve at hand has each state: a row of the base market, or of the trial."""
    pruned: Int8
    """[states]: 1 where the base market has no use for the state, so that its row is not solved."""
    above: Int64
    """[classes, ads, classes]: how many ads of a more tolerant class's list are strictly better than the
    n-th of this class's."""
    need: Int64
    """[ads + 1, 1 + touching, last + 1, gap classes]: tolerance class that the j-th ad needs in a cell,
    `CLOSED` where none may stand."""
    shift: Int64
    """[ads + 1, last + 1, gap classes]: `Grid.shift` by cell."""
    chosen: Int64
    """[last + 1, gap classes]: `pick` of the state at hand."""
    top: Int64
    """[1 + touching, last + 1, gap classes]: the best cell of the position whose exposure is no lower
    than that of the class so ranked; of the state at hand."""
    alive: Int8
    """[2 * states]"""
    before_worth: Int64
    """[2 * states, last + 1, gap classes] laid flat, as all below but `end_*`: the best cell of the
    state that an ad at (s, class) may follow."""
    before_tie: Int64
    before_cell: np.ndarray
    """int32: that cell, ``s * gap classes + class``."""
    pick: Int8
    """[2 * states, 1 + touching, last + 1, gap classes]: the ad there, by tolerance class, or classes +
    its place among the special ads."""
    worth: Int64
    """[1 + touching, last + 1, gap classes]: of the state at hand."""
    tie: Int64
    end_worth: Int64
    """[2 * states]: best total if the feed ends with this state."""
    end_tie: Int64
    end_cell: Int64
    unit: Int64
    """[classes + special ads]: what the state at hand may end with, as in `pick`; the next four likewise."""
    source: Int64
    """Where the row begins that it extends by an ad."""
    kind: Int64
    """That ad's tolerance class."""
    last_worth: Int64
    """That ad's worth; `last_tie` its hash."""
    last_tie: Int64


@kernel
def reach_of(market: Market, ads: int) -> Int8:
    """[masks * (ads + 1)]: whether that many special ads can use up just that mask."""
    masks = 1 << market.critical[CRITICAL_LIMIT, 0]
    reach = np.zeros(masks * (ads + 1), np.int8)
    reach[0] = 1
    used = np.zeros(masks, np.bool_)
    for i in range(market.kind.shape[0]):
        if market.kind[i] >= 0:
            used[market.uses[i]] = True
    for mask in range(1, masks):
        for own in range(1, masks):
            if used[own] and (own & mask) == own:
                for special in range(1, ads + 1):
                    if reach[(mask ^ own) * (ads + 1) + special - 1]:
                        reach[mask * (ads + 1) + special] = 1
    return reach


@kernel
def _ways(limit: Int64, ads: int) -> Int64:
    """[ads + 1]: vectors of counts within `limit` per class, by their sum."""
    ways = np.zeros(ads + 1, np.int64)
    ways[0] = 1
    for c in range(limit.shape[0]):
        for total in range(ads, -1, -1):
            several = np.int64(0)
            for k in range(min(limit[c], total) + 1):
                several += ways[total - k]
            ways[total] = several
    return ways


@kernel
def count_states(limit: Int64, reach: Int8, ads: int) -> int:
    """States within `limit` per class and `ads` in all."""
    upto = _ways(limit, ads).cumsum()
    states = np.int64(0)
    for at in range(reach.shape[0]):
        if reach[at]:
            states += upto[ads - at % (ads + 1)]
    return states


@kernel
def limit_of(market: Market, ads: int) -> Int64:
    """[classes]: how many ads of each class's list a feed could use."""
    limit = np.zeros(market.start.shape[0] - 1, np.int64)
    for i in range(market.kind.shape[0]):
        k = market.kind[i]
        if k >= 0 and market.uses[i] == 0 and limit[k] < ads:
            limit[k] += 1
    return limit


@kernel
def cells_of(grid: Grid, market: Market) -> int:
    """States times positions times gap classes: what a table costs."""
    states = count_states(limit_of(market, grid.ads), reach_of(market, grid.ads), grid.ads)
    return states * (grid.last + 1) * (grid.near + 1) * (1 + grid.touching)


@kernel
def new_table(grid: Grid, market: Market) -> Table:
    """Storage for the layouts of a market; what makes it too large is critical no more."""
    while market.critical[CRITICAL_LIMIT, 0] > 0 and cells_of(grid, market) > CRITICAL_CELLS:
        drop_critical(market)
    limit, reach = limit_of(market, grid.ads), reach_of(market, grid.ads)
    classes, ads = limit.shape[0], grid.ads
    ways = _ways(limit, ads)
    vectors = ways.sum()
    vector_counts = np.zeros((vectors, classes), np.int64)
    vector_parent = np.full((vectors, classes), -1, np.int64)
    radix = np.ones(classes, np.int64)
    for c in range(classes - 2, -1, -1):
        radix[c] = radix[c + 1] * (limit[c + 1] + 1)
    index = np.empty(radix[0] * (limit[0] + 1), np.int64)
    # By their sum, so that what leaves room for so many special ads is a prefix; parents come first.
    place = ways.cumsum() - ways
    digit = np.zeros(classes, np.int64)
    total, code = np.int64(0), np.int64(0)
    while code < index.shape[0]:
        v = place[total]
        index[code] = v
        place[total] += 1
        for c in range(classes):
            vector_counts[v, c] = digit[c]
            if digit[c] > 0:
                vector_parent[v, c] = index[code - radix[c]]
        # The next code whose digits do not exceed the feed.
        c = classes - 1
        step = np.int64(1)
        while c >= 0:
            if digit[c] < limit[c] and total < ads:
                digit[c] += 1
                total += 1
                break
            step += (limit[c] - digit[c]) * radix[c]
            total -= digit[c]
            digit[c] = 0
            c -= 1
        code += step
    upto = ways.cumsum()
    states = count_states(limit, reach, ads)
    counts = np.zeros((states, classes), np.int64)
    parent = np.full((states, classes), -1, np.int64)
    used = np.zeros(states, np.int64)
    mask = np.zeros(states, np.int64)
    vector = np.zeros(states, np.int64)
    start = np.full(reach.shape[0], -1, np.int64)
    state = 0
    for at in range(reach.shape[0]):
        if not reach[at]:
            continue
        start[at] = state
        for v in range(upto[ads - at % (ads + 1)]):
            used[state] = at % (ads + 1)
            mask[state] = at // (ads + 1)
            vector[state] = v
            for c in range(classes):
                counts[state, c] = vector_counts[v, c]
                used[state] += vector_counts[v, c]
                if vector_parent[v, c] >= 0:
                    parent[state, c] = start[at] + vector_parent[v, c]
            state += 1
    width = grid.near + 1
    size = grid.last + 1
    units = classes + SPECIAL_LIMIT
    table = Table(
        counts,
        parent,
        used,
        mask,
        vector,
        start,
        np.zeros(states, np.int64),
        np.zeros(states, np.int8),
        np.zeros((classes, max(ads, 1), classes), np.int64),
        np.empty((ads + 1) * (1 + grid.touching) * size * width, np.int64),
        np.zeros((ads + 1) * size * width, np.int64),
        np.empty(size * width, np.int64),
        np.empty((1 + grid.touching) * size * width, np.int64),
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
        np.empty(units, np.int64),
        np.empty(units, np.int64),
        np.empty(units, np.int64),
        np.empty(units, np.int64),
        np.empty(units, np.int64),
    )
    for s in range(1, size):
        for c in range(width):
            cell = s * width + c
            open_here = grid.opening[s] == c and grid.exposure[cell] > 0
            table.before_worth[cell] = 0 if open_here else LEAST
            table.before_tie[cell] = 0
            table.before_cell[cell] = 0
    _fill_cells(grid, table)
    table.alive[0] = 1
    table.end_worth[0] = grid.tail[0]
    table.end_tie[0] = 0
    table.end_cell[0] = 0
    return table


@leaf
def _fill_cells(grid: Grid, table: Table) -> None:
    """What the j-th ad needs, and costs the organic items, by cell."""
    width = grid.near + 1
    cells = (grid.last + 1) * width
    table.need[:] = CLOSED
    for j in range(1, grid.ads + 1):
        for s in range(grid.first, grid.high[j] + 1):
            t = grid.rank[s] - j
            behind, before = need_behind(grid, s, t), need_ahead(grid, s, t)
            for c in range(width):
                cell = s * width + c
                table.shift[j * cells + cell] = grid.shift[j, s]
                if grid.exposure[cell] == 0:
                    continue
                for b in range(1 + grid.touching):
                    ahead_of = before if b == 0 else np.int64(0)
                    behind_of = np.int64(0) if grid.touching == 1 and c == 0 else behind
                    table.need[(j * (1 + grid.touching) + b) * cells + cell] = max(behind_of, ahead_of)


@leaf
def before_special(table: Table, state: int, uses: int, ads: int) -> int:
    """The state without its last special ad, if that one used up `uses`; -1 where there is none."""
    mask = table.mask[state]
    if (mask & uses) != uses:
        return -1
    special = table.used[state]
    for c in range(table.counts.shape[1]):
        special -= table.counts[state, c]
    if special == 0:
        return -1
    first = table.start[(mask ^ uses) * (ads + 1) + special - 1]
    return first + table.vector[state] if first >= 0 else np.int64(-1)


@leaf
def is_dirty(table: Table, state: int, changed: Int64) -> bool:
    """Whether a trial touches the state.

    Args:
        changed: [classes + 1] rank from which on each class's list differs, and what those special ads
            use up that differ.
    """
    classes = changed.shape[0] - 1
    dirty = (table.mask[state] & changed[classes]) != 0
    for c in range(classes):
        dirty |= table.counts[state, c] > changed[c]
    return dirty


@leaf
def count_above(table: Table, market: Market, side: int) -> None:
    """Fill `Table.above` for the lists at hand."""
    classes = table.counts.shape[1]
    for k in range(classes):
        for m in range(k + 1, classes):
            n = 0
            for r in range(market.length[side, k]):
                w, tie = market.list_worth[side, k, r], market.list_tie[side, k, r]
                while n < market.length[side, m] and (
                    market.list_worth[side, m, n] > w
                    or (market.list_worth[side, m, n] == w and market.list_tie[side, m, n] > tie)
                ):
                    n += 1
                table.above[k, r, m] = n


@leaf
def is_useful(table: Table, market: Market, state: int, side: int, ads: int) -> bool:
    """Whether the best feed may begin with the state's ads.

    It shows no ad while a strictly better one, as tolerant, is left out: the two could be swapped. So what
    the state's ads call for must fit the feed with them.
    """
    classes = table.counts.shape[1]
    total = table.used[state]
    for m in range(classes):
        count = table.counts[state, m]
        if count > market.length[side, m]:
            return False
        needed = count
        for k in range(m):
            if table.counts[state, k] > 0:
                needed = max(needed, table.above[k, table.counts[state, k] - 1, m])
        total += needed - count
    return total <= ads
