"""The feasible feed of greatest value, by dynamic programming in integers.

For a fixed pattern of slots, whose exposures do not increase, the ads of one tolerance class are best
used in score order (swap two that are not: the feed stays feasible and is worth no less). So a state
is how many ads of each class are used, where the last one stands, and its gap class. Values are pairs
(worth, tie) compared in that order, where tie sums exposure times the ad's hash.

What the organic items add is a sum over slots too (`Grid.shift`), so a state far behind an ad enters
as the running maximum of all that may precede it, and only near ones are looked at one by one.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.compiled import leaf
from auction.grid import Grid
from auction.slate import Int64
from auction.table import LEAST, Table, row_of


@leaf
def solve(
    grid: Grid, table: Table, worth: Int64, tie: Int64, length: Int64, changed: Int64, trial: bool
) -> int:
    """Fill the table for lists of ads and return the best final state.

    Args:
        worth: [classes, ads] of each class's ads in score order; `tie` likewise.
        length: [classes] of the lists.
        changed: [classes] first rank that differs from the base lists; not read unless `trial`.
    """
    best = 0
    best_row = 0
    for state in range(1, table.counts.shape[0]):
        row = row_of(table, state, changed, trial)
        if not trial or row != state:
            _place(grid, table, state, row, worth, tie, length, changed, trial)
        if table.alive[row] == 0:
            continue
        better = table.end_worth[row] - table.end_worth[best_row]
        if better == 0:
            better = table.end_tie[row] - table.end_tie[best_row]
        if better == 0:
            better = table.used[best] - table.used[state]
        if better == 0:
            better = _cell_order(grid, table.end_cell[best_row]) - _cell_order(grid, table.end_cell[row])
        if better > 0:
            best = state
            best_row = row
    return best


@leaf
def _cell_order(grid: Grid, cell: int) -> int:
    """Cells in the order that settles full ties: smaller position, then farther predecessor."""
    width = grid.near + 1
    return (cell // width) * width + (grid.near - cell % width)


@leaf
def _place(
    grid: Grid,
    table: Table,
    state: int,
    row: int,
    worth: Int64,
    tie: Int64,
    length: Int64,
    changed: Int64,
    trial: bool,
) -> None:
    """All ways in which the state's last ad stands somewhere, then what may follow them."""
    j = table.used[state]
    low = grid.first + (j - 1) * grid.min_gap
    high = min(grid.last, grid.room + j)
    table.alive[row] = 0
    for c in range(length.shape[0]):
        if table.counts[state, c] > length[c]:
            return
    if low > high:
        return
    source, last_worth, last_tie = table.source, table.last_worth, table.last_tie
    any_source = False
    for k in range(length.shape[0]):
        source[k] = -1
        if table.counts[state, k] > 0:
            parent = row_of(table, table.parent[state, k], changed, trial)
            if table.alive[parent] != 0:
                source[k] = parent * (grid.last + 1) * (grid.near + 1)
                last_worth[k] = worth[k, table.counts[state, k] - 1]
                last_tie[k] = tie[k, table.counts[state, k] - 1]
                any_source = True
    if not any_source:
        return
    table.alive[row] = _append(grid, table, j, low, high, row)
    if table.alive[row] != 0 and j < grid.ads:
        _follow(grid, table, low, high, row)


@leaf
def _append(grid: Grid, table: Table, j: int, low: int, high: int, row: int) -> int:
    """Put the feed's j-th ad at every position, of the best class there; 0 where nothing is feasible.

    Also notes the best feed that ends with this state. Plane b = 1 is for an ad that the next one will
    touch: there the item ahead of it is no neighbour.
    """
    width = grid.near + 1
    size = grid.last + 1
    classes = table.source.shape[0]
    alive = 0
    end_worth, end_tie, end_cell = LEAST, np.int64(0), np.int64(0)
    for b in range(1 + grid.touching):
        plane = (row * (1 + grid.touching) + b) * size * width
        for s in range(low, high + 1):
            behind = np.int64(grid.need_before[s - j])
            ahead = np.int64(grid.need_after[s - j]) if b == 0 else np.int64(0)
            shift = grid.shift[j, s]
            for c in range(grid.near, -1, -1):
                need = ahead if grid.touching == 1 and c == 0 else max(behind, ahead)
                cell = s * width + c
                exposure = grid.exposure[cell]
                best_worth, best = LEAST, np.int64(-1)
                for k in range(need, classes):
                    p = table.source[k]
                    if p < 0:
                        continue
                    before = table.before_worth[p + cell]
                    if before == LEAST:
                        continue
                    total = before + exposure * table.last_worth[k]
                    better = total > best_worth
                    if total == best_worth:
                        order = table.before_tie[p + cell] + exposure * table.last_tie[k]
                        at = table.source[best] + cell
                        better = order > table.before_tie[at] + exposure * table.last_tie[best]
                    if better:
                        best_worth, best = total, k
                if best < 0:
                    table.worth[b * size * width + cell] = LEAST
                    continue
                alive = 1
                best_worth += shift
                best_tie = table.before_tie[table.source[best] + cell] + exposure * table.last_tie[best]
                table.worth[b * size * width + cell] = best_worth
                table.tie[b * size * width + cell] = best_tie
                table.pick[plane + cell] = best
                if b == 0 and (best_worth > end_worth or (best_worth == end_worth and best_tie > end_tie)):
                    end_worth, end_tie, end_cell = best_worth, best_tie, cell
    table.end_worth[row] = end_worth + grid.tail[j] if end_worth > LEAST else LEAST
    table.end_tie[row] = end_tie
    table.end_cell[row] = end_cell
    return alive


@leaf
def _follow(grid: Grid, table: Table, low: int, high: int, row: int) -> None:
    """For every slot of the next ad, the best cell of this state that it may follow."""
    width = grid.near + 1
    size = grid.last + 1
    start = row * size * width
    far = np.int64(-1)
    for s in range(low + grid.min_gap, min(grid.last, high + 1) + 1):
        for c in range(grid.near):
            p = s - c - grid.min_gap
            plane = np.int64(size * width if grid.touching == 1 and c == 0 else 0)
            exposure = grid.exposure[s * width + c]
            best = np.int64(-1)
            if low <= p <= high and exposure > 0:
                for q in range(grid.near, -1, -1):
                    cell = p * width + q
                    if table.worth[plane + cell] == LEAST or grid.exposure[cell] < exposure:
                        continue
                    if best < 0 or _beats(table, plane + cell, plane + best):
                        best = cell
            _write(table, start + s * width + c, best, plane)
        for e in range(grid.enter_start[s], grid.enter_start[s + 1]):
            cell = grid.enter_cell[e]
            if cell < low * width or cell >= (high + 1) * width or table.worth[cell] == LEAST:
                continue
            if far >= 0:
                same = table.worth[cell] == table.worth[far] and table.tie[cell] == table.tie[far]
                if same and _cell_order(grid, cell) > _cell_order(grid, far):
                    continue
                if not same and not _beats(table, cell, far):
                    continue
            far = cell
        _write(table, start + s * width + grid.near, far, np.int64(0))


@leaf
def _beats(table: Table, a: int, b: int) -> bool:
    """Whether the state at hand is strictly better in cell a than in cell b."""
    if table.worth[a] != table.worth[b]:
        return bool(table.worth[a] > table.worth[b])
    return bool(table.tie[a] > table.tie[b])


@leaf
def _write(table: Table, at: int, cell: int, plane: int) -> None:
    if cell < 0:
        table.before_worth[at] = LEAST
        return
    table.before_worth[at] = table.worth[plane + cell]
    table.before_tie[at] = table.tie[plane + cell]
    table.before_cell[at] = cell


@leaf
def trace(
    grid: Grid,
    table: Table,
    state: int,
    changed: Int64,
    trial: bool,
    slot: Int64,
    gap: Int64,
    kind: Int64,
    rank: Int64,
) -> int:
    """Read the layout of a final state back: position, gap class, tolerance class and rank per ad.

    Returns the number of ads; the first `count` entries of the four rows are written, in feed order.
    """
    count = table.used[state]
    width = grid.near + 1
    row = row_of(table, state, changed, trial)
    cell = table.end_cell[row]
    b = 0
    for j in range(count - 1, -1, -1):
        s, c = cell // width, cell % width
        size = (grid.last + 1) * width
        k = table.pick[(row * (1 + grid.touching) + b) * size + cell]
        slot[j] = s
        gap[j] = c
        kind[j] = k
        rank[j] = table.counts[state, k] - 1
        state = table.parent[state, k]
        row = row_of(table, state, changed, trial)
        cell = np.int64(table.before_cell[row * size + s * width + c])
        b = 1 if grid.touching == 1 and c == 0 else 0
    return count
