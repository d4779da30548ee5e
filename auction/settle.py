"""The best layout of a market, with every rule, as it is or with one ad on trial.

A trial takes one ad (and its advertiser's others) out of the market and may put the ad back at another
worth. Ads of one advertiser in different tolerance classes are the one case that counts per class
cannot see: solve without that rule, and where the best feed breaks it, branch on which class the
advertiser is barred from. Every feasible feed lies in a branch, so the best leaf is exact.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.compiled import kernel, leaf
from auction.grid import Grid
from auction.layout import solve, trace
from auction.market import Market, list_ads
from auction.rows import SOLVED, Rows, copy_row
from auction.slate import Int64
from auction.table import LEAST, Table


@leaf
def _first_change(market: Market, changed: Int64) -> None:
    """Per class, the first rank at which the trial's list differs from the base's."""
    for k in range(changed.shape[0]):
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
    """Two places of the solved feed taken by one advertiser, or (-1, -1)."""
    for a in range(rows.count[SOLVED]):
        for b in range(a):
            i, j = rows.ad[SOLVED, a], rows.ad[SOLVED, b]
            if market.advertiser_id[i] == market.advertiser_id[j]:
                return b, a
    return -1, -1


@kernel
def settle(
    grid: Grid,
    table: Table,
    market: Market,
    rows: Rows,
    target: int,
    probe: int,
    probe_worth: int,
    back: int,
) -> None:
    """Write the best feasible layout to rows[target].

    Without a probe this is the market as it is, and the base of all trials. With one, the probe's
    advertiser has no other ad in the market, and the probe is out of it or `back` in.
    """
    classes = market.start.shape[0] - 1
    changed = np.zeros(classes, np.int64)
    fixed = 1 if probe >= 0 else 0
    bars = np.zeros((1, fixed + 1, 2), np.int64)
    depth = np.zeros(1, np.int64)
    if probe >= 0:
        bars[0, 0, 0] = market.advertiser_id[probe]
        bars[0, 0, 1] = -1
    depth[0] = fixed
    kind = np.zeros(rows.slot.shape[1], np.int64)
    rank = np.zeros(rows.slot.shape[1], np.int64)
    rows.total[target] = LEAST
    rows.probe_worth[target] = probe_worth
    top = 0
    base = probe < 0
    while top >= 0:
        side = 0 if base else 1
        here = bars[top].copy()
        count = depth[top]
        top -= 1
        list_ads(market, side, grid.ads, here, count, probe, probe_worth, back)
        if not base:
            _first_change(market, changed)
        best = solve(
            grid,
            table,
            market.list_worth[side],
            market.list_tie[side],
            market.length[side],
            changed,
            not base,
        )
        rows.count[SOLVED] = trace(
            grid, table, best, changed, not base, rows.slot[SOLVED], rows.gap[SOLVED], kind, rank
        )
        for n in range(rows.count[SOLVED]):
            rows.ad[SOLVED, n] = market.list_ad[side, kind[n], rank[n]]
        final = best
        if not base:
            for k in range(classes):
                if table.counts[best, k] > changed[k]:
                    final = best + table.counts.shape[0]
        base = False
        total, tie = table.end_worth[final], table.end_tie[final]
        if total < rows.total[target] or (total == rows.total[target] and tie <= rows.tie[target]):
            continue
        a, b = -1, -1
        if market.one_per_advertiser and classes > 1:
            a, b = _conflict(market, rows)
        if a < 0:
            rows.total[SOLVED], rows.tie[SOLVED], rows.probe_worth[SOLVED] = total, tie, probe_worth
            copy_row(rows, SOLVED, target)
            continue
        if top + 2 >= bars.shape[0] or count + 1 > bars.shape[1]:
            bars, depth = _grow(bars, depth)
        for branch in range(2):
            top += 1
            for n in range(count):
                bars[top, n, 0], bars[top, n, 1] = here[n, 0], here[n, 1]
            bars[top, count, 0] = market.advertiser_id[rows.ad[SOLVED, a]]
            bars[top, count, 1] = kind[a] if branch == 0 else kind[b]
            depth[top] = count + 1


@kernel
def _grow(bars: Int64, depth: Int64) -> tuple[Int64, Int64]:
    """Twice the room for open branches and their bars."""
    more = np.zeros((2 * bars.shape[0] + 2, 2 * bars.shape[1] + 2, 2), np.int64)
    deeper = np.zeros(more.shape[0], np.int64)
    for node in range(bars.shape[0]):
        deeper[node] = depth[node]
        for n in range(depth[node]):
            more[node, n, 0], more[node, n, 1] = bars[node, n, 0], bars[node, n, 1]
    return more, deeper
