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
from auction.market import Market
from auction.order import ahead
from auction.slate import Int64
from auction.table import LEAST, Table, before_special, count_above, is_dirty, is_useful


@leaf
def solve(grid: Grid, table: Table, market: Market, changed: Int64, trial: bool) -> int:
    """Fill the table for the market's lists, of the base or the trial, and return the best final state.

    Args:
        changed: as in `is_dirty`; not read unless `trial`.
    """
    best = 0
    best_row = 0
    side = 1 if trial else 0
    states = table.counts.shape[0]
    count_above(table, market, side)
    table.row[0] = 0
    for state in range(1, states):
        useful = is_useful(table, market, state, side, grid.ads)
        if not trial:
            table.pruned[state] = 0 if useful else 1
            row = np.int64(state)
        elif table.pruned[state] == 1 or is_dirty(table, state, changed):
            row = np.int64(state + states)
        else:
            row = np.int64(state)
        table.row[state] = row
        if not useful:
            if not trial or row != state:
                table.alive[row] = 0
            continue
        if not trial or row != state:
            _place(grid, table, market, state, row, side)
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
def _place(grid: Grid, table: Table, market: Market, state: int, row: int, side: int) -> None:
    """All ways in which the state's last ad stands somewhere, then what may follow them."""
    j = table.used[state]
    low = grid.first + (j - 1) * grid.min_gap
    high = grid.high[j]
    classes = table.counts.shape[1]
    table.alive[row] = 0
    if low > high:
        return
    size = (grid.last + 1) * (grid.near + 1)
    units = 0
    for k in range(classes):
        if table.counts[state, k] == 0:
            continue
        parent = table.row[table.parent[state, k]]
        if table.alive[parent] != 0:
            table.unit[units], table.kind[units], table.source[units] = k, k, parent * size
            table.last_worth[units] = market.list_worth[side, k, table.counts[state, k] - 1]
            table.last_tie[units] = market.list_tie[side, k, table.counts[state, k] - 1]
            units += 1
    if table.mask[state] != 0:
        for n in range(market.special_count[side]):
            i = market.special_ad[side, n]
            parent = before_special(table, state, market.uses[i], grid.ads)
            if parent < 0:
                continue
            parent = table.row[parent]
            if table.alive[parent] != 0:
                table.unit[units], table.kind[units] = classes + n, market.kind[i]
                table.source[units] = parent * size
                table.last_worth[units], table.last_tie[units] = market.special_worth[side, n], market.tie[i]
                units += 1
    if units == 0:
        return
    for b in range(1 + grid.touching):
        if _append(grid, table, units, j, low, high, row, b):
            _append_ties(grid, table, market, units, j, low, high, state, row, b)
    _end(grid, table, j, low, high, row)
    if table.alive[row] != 0 and j < grid.ads:
        _follow(grid, table, low, high, grid.high[j + 1], row)


@leaf
def _append(grid: Grid, table: Table, units: int, j: int, low: int, high: int, row: int, b: int) -> bool:
    """Put the feed's j-th ad at every position, the best unit there; True where two were worth the same.

    Plane b = 1 is for an ad that the next one will touch: there the item ahead of it is no neighbour.
    Loops without branches over few columns each, so that every one is a few vector instructions; where
    the tie decides, `_append_ties` goes over it again.
    """
    width = grid.near + 1
    cells = (grid.last + 1) * width
    begin, length = low * width, (high + 1 - low) * width
    exposure = grid.exposure[begin : begin + length]
    first = (j * (1 + grid.touching) + b) * cells + begin
    need = table.need[first : first + length]
    worth = table.worth[b * cells + begin : b * cells + begin + length]
    tie = table.tie[b * cells + begin : b * cells + begin + length]
    chosen = table.chosen[begin : begin + length]
    shift = table.shift[j * cells + begin : j * cells + begin + length]
    alike = np.int64(0)
    for u in range(units):
        before = table.before_worth[table.source[u] + begin : table.source[u] + begin + length]
        last_worth, kind = table.last_worth[u], table.kind[u]
        if u == 0:
            for n in range(length):
                fits = (need[n] <= kind) & (before[n] != LEAST)
                worth[n] = before[n] + exposure[n] * last_worth if fits else LEAST
        else:
            for n in range(length):
                fits = (need[n] <= kind) & (before[n] != LEAST)
                total = before[n] + exposure[n] * last_worth if fits else LEAST
                alike |= np.int64((total == worth[n]) & fits)
                chosen[n] = np.int64(u) if total > worth[n] else chosen[n]
                worth[n] = max(total, worth[n])
        if u == 0:
            chosen[:] = 0
    if alike != 0:
        return True
    for u in range(units):
        before = table.before_tie[table.source[u] + begin : table.source[u] + begin + length]
        last_tie = table.last_tie[u]
        if u == 0:
            for n in range(length):
                tie[n] = before[n] + exposure[n] * last_tie
        else:
            for n in range(length):
                tie[n] = before[n] + exposure[n] * last_tie if chosen[n] == u else tie[n]
    for n in range(length):
        worth[n] = worth[n] + shift[n] if worth[n] != LEAST else LEAST
    plane = (row * (1 + grid.touching) + b) * cells + begin
    pick = table.pick[plane : plane + length]
    if units == 1:
        pick[:] = table.unit[0]
    else:
        for n in range(length):
            pick[n] = table.unit[chosen[n]]
    return False


@leaf
def _append_ties(
    grid: Grid,
    table: Table,
    market: Market,
    units: int,
    j: int,
    low: int,
    high: int,
    state: int,
    row: int,
    b: int,
) -> None:
    """`_append` where units of equal totals are told apart by ties, and at last by `_preferred`."""
    width = grid.near + 1
    cells = (grid.last + 1) * width
    classes = table.counts.shape[1]
    first = (j * (1 + grid.touching) + b) * cells
    plane = (row * (1 + grid.touching) + b) * cells
    for cell in range(low * width, (high + 1) * width):
        exposure, need = grid.exposure[cell], table.need[first + cell]
        best_worth, best_tie, best = LEAST, np.int64(0), np.int64(-1)
        for u in range(units):
            p = table.source[u]
            before = table.before_worth[p + cell]
            if table.kind[u] < need or before == LEAST:
                continue
            total = before + exposure * table.last_worth[u]
            if total < best_worth:
                continue
            tie = table.before_tie[p + cell] + exposure * table.last_tie[u]
            better = total > best_worth or tie > best_tie
            if total == best_worth and tie == best_tie and table.unit[u] >= classes:
                better = _preferred(grid, table, market, state, u, best, cell)
            if better:
                best_worth, best_tie, best = total, tie, u
        if best < 0:
            table.worth[b * cells + cell] = LEAST
            continue
        table.worth[b * cells + cell] = best_worth + table.shift[j * cells + cell]
        table.tie[b * cells + cell] = best_tie
        table.pick[plane + cell] = table.unit[best]


@leaf
def _end(grid: Grid, table: Table, j: int, low: int, high: int, row: int) -> None:
    """Note the best feed that ends with the state, and whether there is any way to place it."""
    width = grid.near + 1
    begin, length = low * width, (high + 1 - low) * width
    worth = table.worth[begin : begin + length]
    most = LEAST
    for n in range(length):
        most = max(most, worth[n])
    table.end_worth[row], table.end_tie[row], table.end_cell[row] = LEAST, 0, 0
    if most > LEAST:
        table.alive[row] = 1
        table.end_worth[row] = most + grid.tail[j]
        alike, at = np.int64(0), np.int64(0)
        for n in range(length):
            alike += np.int64(worth[n] == most)
            at += np.int64(n) if worth[n] == most else np.int64(0)
        best = begin + at
        if alike > 1:
            best = np.int64(-1)
            for s in range(low, high + 1):
                for c in range(grid.near, -1, -1):
                    cell = s * width + c
                    if table.worth[cell] == most and (best < 0 or table.tie[cell] > table.tie[best]):
                        best = cell
        table.end_tie[row] = table.tie[best]
        table.end_cell[row] = best
    elif grid.touching == 1:
        cells = (grid.last + 1) * width
        for cell in range(cells + begin, cells + begin + length):
            if table.worth[cell] != LEAST:
                table.alive[row] = 1


@leaf
def _ad_of(table: Table, market: Market, state: int, unit: int, side: int) -> tuple[int, int]:
    """The ad that a state ends with by a unit, and its worth."""
    classes = table.counts.shape[1]
    if unit < classes:
        rank = table.counts[state, unit] - 1
        return market.list_ad[side, unit, rank], market.list_worth[side, unit, rank]
    return market.special_ad[side, unit - classes], market.special_worth[side, unit - classes]


@leaf
def _preferred(
    grid: Grid,
    table: Table,
    market: Market,
    state: int,
    u: int,
    v: int,
    cell: int,
) -> bool:
    """Whether, totals equal, the feed that ends with unit u goes before the one that ends with unit v.

    From the last ad backwards the less tolerant ad and the earlier position; then score order. Ads of a
    class stand in score order by themselves; special ones may come in any.
    """
    states, width = table.counts.shape[0], grid.near + 1
    size = (grid.last + 1) * width
    if table.kind[u] != table.kind[v]:
        return table.kind[u] < table.kind[v]
    first = 0
    side = table.row[state] // states
    ad_a, worth_a = _ad_of(table, market, state, table.unit[u], side)
    ad_b, worth_b = _ad_of(table, market, state, table.unit[v], side)
    row_a, row_b = table.source[u] // size, table.source[v] // size
    cell_a, cell_b = cell, cell
    for _ in range(table.used[state]):
        if ad_a != ad_b:
            better = ahead(
                worth_a, market.tie[ad_a], market.ad_id[ad_a], worth_b, market.tie[ad_b], market.ad_id[ad_b]
            )
            first = 1 if better else -1
        state_a, state_b = row_a % states, row_b % states
        if table.used[state_a] == 0:
            break
        plane_a = 1 if grid.touching == 1 and cell_a % width == 0 else 0
        plane_b = 1 if grid.touching == 1 and cell_b % width == 0 else 0
        cell_a = np.int64(table.before_cell[row_a * size + cell_a])
        cell_b = np.int64(table.before_cell[row_b * size + cell_b])
        if cell_a // width != cell_b // width:
            return cell_a // width < cell_b // width
        unit_a = np.int64(table.pick[(row_a * (1 + grid.touching) + plane_a) * size + cell_a])
        unit_b = np.int64(table.pick[(row_b * (1 + grid.touching) + plane_b) * size + cell_b])
        ad_a, worth_a = _ad_of(table, market, state_a, unit_a, row_a // states)
        ad_b, worth_b = _ad_of(table, market, state_b, unit_b, row_b // states)
        if market.kind[ad_a] != market.kind[ad_b]:
            return market.kind[ad_a] < market.kind[ad_b]
        row_a = _before(grid, table, market, state_a, unit_a, ad_a)
        row_b = _before(grid, table, market, state_b, unit_b, ad_b)
    return first > 0


@leaf
def _before(grid: Grid, table: Table, market: Market, state: int, unit: int, ad: int) -> int:
    """Row of the state without the ad that it ends with."""
    if unit < table.counts.shape[1]:
        return table.row[table.parent[state, unit]]
    return table.row[before_special(table, state, market.uses[ad], grid.ads)]


@leaf
def _rank_cells(grid: Grid, table: Table, low: int, high: int, b: int) -> None:
    """Fill `Table.top`. Full ties go to the farther predecessor."""
    width = grid.near + 1
    plane = b * (grid.last + 1) * width
    for p in range(low, high + 1):
        at = plane + p * width
        best = at + grid.dimmest[grid.near]
        worth = table.worth[best]
        table.top[at + grid.near] = best
        for place in range(grid.near - 1, -1, -1):
            cell = at + grid.dimmest[place]
            if table.worth[cell] > worth:
                best, worth = cell, table.worth[cell]
            elif worth != LEAST and table.worth[cell] == worth:
                order = table.tie[cell] - table.tie[best]
                best = cell if order > 0 or (order == 0 and cell > best) else best
            table.top[at + place] = best


@leaf
def _follow(grid: Grid, table: Table, low: int, high: int, next_high: int, row: int) -> None:
    """For every slot of the next ad, the best cell of this state that it may follow."""
    width = grid.near + 1
    size = grid.last + 1
    start = row * size * width
    begin, end = low * width, (high + 1) * width
    if grid.near > 0:
        for b in range(1 + grid.touching):
            _rank_cells(grid, table, low, high, b)
    far, far_worth = np.int64(-1), LEAST
    for s in range(low + grid.min_gap, next_high + 1):
        at = start + s * width
        for c in range(grid.near):
            p = s - c - grid.min_gap
            place = grid.enough[s * width + c]
            if place == width or p < low or p > high:
                table.before_worth[at + c] = LEAST
                continue
            plane = np.int64(size * width if grid.touching == 1 and c == 0 else 0)
            best = table.top[plane + p * width + place]
            table.before_worth[at + c] = table.worth[best]
            table.before_tie[at + c] = table.tie[best]
            table.before_cell[at + c] = best - plane
        for e in range(grid.enter_start[s], grid.enter_start[s + 1]):
            cell = grid.enter_cell[e]
            if cell < begin or cell >= end or table.worth[cell] < far_worth or table.worth[cell] == LEAST:
                continue
            if table.worth[cell] == far_worth:
                if table.tie[cell] < table.tie[far]:
                    continue
                same = table.tie[cell] == table.tie[far]
                if same and _cell_order(grid, cell) > _cell_order(grid, far):
                    continue
            far, far_worth = cell, table.worth[cell]
        table.before_worth[at + grid.near] = far_worth
        if far >= 0:
            table.before_tie[at + grid.near] = table.tie[far]
            table.before_cell[at + grid.near] = far


@leaf
def trace(grid: Grid, table: Table, market: Market, state: int, slot: Int64, gap: Int64, ad: Int64) -> int:
    """Read the layout of a final state of the last solve back: position, gap class and ad, in feed order.

    Returns the number of ads; the first so many entries of the three rows are written.
    """
    count = table.used[state]
    states, width = table.counts.shape[0], grid.near + 1
    row = table.row[state]
    cell = table.end_cell[row]
    size = (grid.last + 1) * width
    b = 0
    for j in range(count - 1, -1, -1):
        slot[j], gap[j] = cell // width, cell % width
        unit = np.int64(table.pick[(row * (1 + grid.touching) + b) * size + cell])
        ad[j], _ = _ad_of(table, market, row % states, unit, row // states)
        row = _before(grid, table, market, row % states, unit, ad[j])
        b = 1 if grid.touching == 1 and gap[j] == 0 else 0
        cell = np.int64(table.before_cell[row * size + slot[j] * width + gap[j]])
    return count
