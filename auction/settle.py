"""The best layout of a market, with every rule, as it is or with one ad on trial.

A trial takes one ad's advertiser out of the market and puts the ad back at another worth.

That two ads of one advertiser or category never share a feed is more than counts per class can see where
their classes differ, or where both rules hold at once: solve without, and where the best feed breaks it,
branch on which of the two may not be. Every feasible feed lies in a branch, so the best leaf is exact.
Where a few branches do not end it, what clashed is made critical (`auction.market`), part of the state,
and the feed is decided anew: so the work does not double with every advertiser.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.compiled import kernel, leaf
from auction.grid import Grid
from auction.layout import solve, trace
from auction.market import CRITICAL_LIMIT, NO_PROBE, Market, clash, list_ads, make_critical, same_group
from auction.rows import SHOWN, SOLVED, Rows, copy_row
from auction.slate import Int64
from auction.table import LEAST, Table, new_table

WORK_LIMIT = 40_000_000
"""Cells looked at for one layout in branches or with anything critical, once for each class and special ad:
a tenth of a second or two. Then the best feed found so far stands, and the outcome says that it is not exact.
The prices of a feed share as much again."""

WORK, LIMIT, CUT, AGAIN, BRANCHES = 0, 1, 2, 3, 4
"""Entries of `Rows.work`: cells looked at; how many may be; whether a search was cut short; whether the feed
is to be decided anew since more is critical; branches of one search before what clashes is made so."""


@leaf
def _first_change(market: Market, changed: Int64) -> None:
    """What differs between the lists of the trial and of the base, as `is_dirty` reads it."""
    classes = changed.shape[0] - 1
    changed[classes] = 0
    for side in range(2):
        for n in range(market.special_count[side]):
            i, found = market.special_ad[side, n], False
            for m in range(market.special_count[1 - side]):
                found = found or (
                    market.special_ad[1 - side, m] == i
                    and market.special_worth[1 - side, m] == market.special_worth[side, n]
                )
            changed[classes] |= 0 if found else market.uses[i]
    for k in range(classes):
        n = 0
        while (
            n < market.length[0, k]
            and n < market.length[1, k]
            and market.list_ad[0, k, n] == market.list_ad[1, k, n]
            and market.list_worth[0, k, n] == market.list_worth[1, k, n]
        ):
            n += 1
        changed[k] = n


@leaf
def _conflict(market: Market, rows: Rows) -> tuple[int, int]:
    """Two places of the solved feed whose ads clash, or (-1, -1)."""
    for a in range(rows.count[SOLVED]):
        for b in range(a):
            if clash(market, rows.ad[SOLVED, a], rows.ad[SOLVED, b]):
                return b, a
    return -1, -1


@leaf
def _make_all_critical(market: Market, rows: Rows) -> int:
    """Make critical whatever clashes in the solved feed; 1 where anything became so."""
    some = 0
    for a in range(rows.count[SOLVED]):
        for b in range(a):
            i, j = rows.ad[SOLVED, a], rows.ad[SOLVED, b]
            if clash(market, i, j) and make_critical(market, i, j):
                some = 1
    return some


@kernel
def settle(
    grid: Grid,
    table: Table,
    market: Market,
    rows: Rows,
    target: int,
    probe: int,
    probe_worth: int,
    known: int,
) -> None:
    """Write the best feasible layout to rows[target].

    Without a probe this is the market as it is, and the base of all trials. With one, the probe's
    advertiser has no other ad in the market, and the probe is in it at `probe_worth`.

    Args:
        known: value of some feasible layout of this market; what is below it is not looked at.
    """
    classes = market.start.shape[0] - 1
    changed = np.zeros(classes + 1, np.int64)
    fixed = 1 if probe >= 0 else 0
    bars = np.full((1, fixed + 1, 3), -1, np.int64)
    depth = np.zeros(1, np.int64)
    if probe >= 0:
        bars[0, 0, 0] = probe
    depth[0] = fixed
    rows.total[target] = LEAST
    rows.probe_worth[target] = probe_worth
    top = 0
    base = probe < 0
    branches = 0
    clashes = market.one_per_category or (market.one_per_advertiser and classes > 1)
    while top >= 0:
        if rows.work[WORK] >= rows.work[LIMIT] and rows.total[target] > LEAST:
            rows.work[CUT] = 1
            break
        side = 0 if base else 1
        here = bars[top].copy()
        count = depth[top]
        top -= 1
        if not list_ads(market, side, grid.ads, here, count, probe, probe_worth):
            rows.work[CUT] = 1
        if not base:
            _first_change(market, changed)
        best = solve(grid, table, market, changed, not base)
        if branches > 0 or market.critical[CRITICAL_LIMIT, 0] > 0:
            units = classes + market.special_count[side]
            rows.work[WORK] += table.used.shape[0] * (grid.last + 1) * (grid.near + 1) * units
        branches += 1
        final = table.row[best]
        base = False
        total, tie = table.end_worth[final], table.end_tie[final]
        if total < known or total < rows.total[target]:
            continue
        if total == rows.total[target] and tie <= rows.tie[target]:
            continue
        rows.count[SOLVED] = trace(
            grid, table, market, best, rows.slot[SOLVED], rows.gap[SOLVED], rows.ad[SOLVED]
        )
        a, b = -1, -1
        if clashes:
            a, b = _conflict(market, rows)
        if a < 0:
            rows.total[SOLVED], rows.tie[SOLVED], rows.probe_worth[SOLVED] = total, tie, probe_worth
            copy_row(rows, SOLVED, target)
            continue
        i, j = rows.ad[SOLVED, a], rows.ad[SOLVED, b]
        if branches > rows.work[BRANCHES] or market.critical[CRITICAL_LIMIT, 0] > 0:
            rows.work[AGAIN] = _make_all_critical(market, rows)
            if rows.work[AGAIN] == 1:
                break
        if top + 2 >= bars.shape[0] or count + 1 > bars.shape[1]:
            bars, depth = _grow(bars, depth)
        apart = same_group(market, i, j) and market.kind[i] != market.kind[j]
        for branch in range(2):
            top += 1
            for n in range(count):
                bars[top, n] = here[n]
            out = i if branch == 0 else j
            # Of one group in two classes: bar the group from one class or from the other. Else (of one
            # advertiser in two groups, or of one group by two advertisers where some are special) bar the
            # advertiser's ads of the group.
            bars[top, count, 0] = -1 if apart else out
            bars[top, count, 1] = out
            bars[top, count, 2] = market.kind[out] if apart else -1
            depth[top] = count + 1


@kernel
def settle_base(grid: Grid, market: Market, rows: Rows) -> Table:
    """Write the layout of the market as it is to rows[SHOWN]; returns the table that trials start from."""
    while True:
        rows.work[AGAIN] = 0
        table = new_table(grid, market)
        settle(grid, table, market, rows, SHOWN, NO_PROBE, np.int64(0), np.int64(LEAST))
        # Whatever becomes critical changes the meaning of the table's states.
        if rows.work[AGAIN] == 0:
            return table


@kernel
def fill_base(grid: Grid, market: Market, rows: Rows) -> Table:
    """A table for more trials of a market of which more became critical; rows[SHOWN] stays as it is."""
    rows.work[AGAIN] = 0
    table = new_table(grid, market)
    none = np.zeros((0, 3), np.int64)
    if not list_ads(market, 0, grid.ads, none, 0, NO_PROBE, np.int64(0)):
        rows.work[CUT] = 1
    changed = np.zeros(market.start.shape[0], np.int64)
    solve(grid, table, market, changed, False)
    return table


@kernel
def _grow(bars: Int64, depth: Int64) -> tuple[Int64, Int64]:
    """Twice the room for open branches and their bars."""
    more = np.full((2 * bars.shape[0] + 2, 2 * bars.shape[1] + 2, 3), -1, np.int64)
    deeper = np.zeros(more.shape[0], np.int64)
    for node in range(bars.shape[0]):
        deeper[node] = depth[node]
        for n in range(depth[node]):
            more[node, n] = bars[node, n]
    return more, deeper
