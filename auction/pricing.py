"""Prices from the allocation curve, by exact integer steps along its breakpoints.

Fix every other bid. The value of the best feed is then convex and piecewise linear in the worth of
one ad, and its slope is the ad's exposure (Myerson 1981; the walk along the lines is that of Eisner
and Severance 1976). Every price is taken in the market without the advertiser's other ads.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.bid import lowest_bid, worth
from auction.compiled import kernel, leaf, part
from auction.grid import Grid, ceil_div
from auction.market import Market, clash
from auction.order import ahead
from auction.rows import (
    KEPT,
    LOSING,
    SHOWN,
    TRIAL,
    Rows,
    copy_row,
    exposure_at,
    exposure_of,
    need_at,
    place_of,
)
from auction.settle import AGAIN, CUT, settle
from auction.table import LEAST, Table

FIRST_PRICE = 0
SECOND_PRICE = 1
VCG = 2

SET_BY_AD = 1
SET_BY_ORGANIC = 2
SET_BY_RESERVE = 3
SET_BY_OWN_BID = 4


@kernel
def price_ad(
    grid: Grid,
    table: Table,
    market: Market,
    rows: Rows,
    i: int,
    rule: int,
    bid: int,
    reserve: int,
    rate: float,
    quality: int,
    has_sibling: int,
) -> tuple[int, int, int]:
    """Price of shown ad i per billable event, who set it, and the slate's index of an ad that did.

    Args:
        bid: effective bid in whole micros, not below `reserve`.
        rate: worth of one micro of bid; `quality`: worth beside the bid.
        has_sibling: 1 where the feed may show several ads of one advertiser and the slate has others of this
            one; the slot that the price keeps is then the one the ad has without them.

    Where `rows.work[AGAIN]` is 1 afterwards, the answer is none: the table is to be made anew.
    """
    if rule == FIRST_PRICE:
        return bid, SET_BY_OWN_BID, -1
    kept = SHOWN
    if has_sibling > 0:
        kept = KEPT
        settle(grid, table, market, rows, KEPT, i, market.worth[i], LEAST)
        if rows.work[AGAIN] == 1:
            return bid, SET_BY_OWN_BID, -1
    x = exposure_of(grid, rows, kept, i)
    least = worth(reserve, rate, quality)
    if x == 0:
        return reserve, SET_BY_RESERVE, -1
    if rule == VCG:
        threshold, setter, ad = _externality(grid, table, market, rows, kept, i, x, least)
    else:
        threshold, setter, ad = _last_breakpoint(grid, table, market, rows, kept, i, x, least)
    if threshold <= least:
        return reserve, SET_BY_RESERVE, -1
    return max(reserve, lowest_bid(threshold, rate, quality, bid)), setter, ad


@leaf
def soften(price: int, setter: int, ad: int, rule: int, bid: int, soft: int) -> tuple[int, int, int]:
    """The price under a soft floor (0 is none): a bid below it pays itself, one above it at least it."""
    if soft == 0 or rule == FIRST_PRICE:
        return price, setter, ad
    if bid < soft:
        return bid, SET_BY_OWN_BID, -1
    if price < soft:
        return soft, SET_BY_RESERVE, -1
    return price, setter, ad


@part
def _externality(
    grid: Grid, table: Table, market: Market, rows: Rows, kept: int, i: int, x: int, least: int
) -> tuple[int, int, int]:
    """What all others would have more of with ad i at its reserve, per unit of its exposure."""
    others = rows.total[kept] - x * market.worth[i]
    settle(grid, table, market, rows, LOSING, i, least, others + x * least)
    if rows.work[CUT] == 1:
        # What the search found is a feasible feed, so its loss is no more than the true one; nor is the
        # worth of an ad that could take the slot in place and is not shown.
        rival = _best_rival(grid, market, rows, kept, i, x)
        if (
            rival >= 0
            and place_of(rows, kept, rival) < 0
            and x * market.worth[rival] > rows.total[LOSING] - others
        ):
            return min(market.worth[rival], market.worth[i]), SET_BY_AD, rival
    loss = rows.total[LOSING] - others
    setter, ad = _setter(grid, market, rows, kept, i)
    return min(ceil_div(loss, x), market.worth[i]), setter, ad


@part
def _last_breakpoint(
    grid: Grid, table: Table, market: Market, rows: Rows, kept: int, i: int, x: int, least: int
) -> tuple[int, int, int]:
    """Smallest worth, not below `least`, at which ad i has exposure x or more, and who sets it.

    Up to its true worth the line ``others + x * w`` is the best of those with exposure x or more. So
    wherever another line is strictly above it the slot is lost, and the walk never oversteps: each
    step goes to the first integer at which the last winning line is no longer above. The first line
    costs no solve: the best ad that could take the slot in place, as in the next-price rule.
    """
    others = rows.total[kept] - x * market.worth[i]
    w, setter, ad = least, SET_BY_RESERVE, -1
    rival = _best_rival(grid, market, rows, kept, i, x)
    if rival >= 0:
        step = market.worth[rival]
        if market.tie[rival] > market.tie[i]:
            step += 1
        if step > w:
            w, setter, ad = step, SET_BY_AD, rival
    lost = False
    while w < market.worth[i] and rows.work[CUT] == 0:
        settle(grid, table, market, rows, TRIAL, i, w, others + x * w)
        got = exposure_of(grid, rows, TRIAL, i)
        if got >= x or rows.work[AGAIN] == 1:
            break
        # Where the search was cut short, what it found is feasible all the same, and proves the slot lost
        # only if it is above the kept line.
        cut = rows.work[CUT] == 1
        if cut and rows.total[TRIAL] <= others + x * w:
            break
        copy_row(rows, TRIAL, LOSING)
        lost = True
        w = max(w + 1, ceil_div(rows.total[LOSING] - got * w - others, x - got))
        if cut:
            break
    if lost:
        setter, ad = _setter(grid, market, rows, kept, i)
    return min(w, market.worth[i]), setter, ad


@leaf
def _best_rival(grid: Grid, market: Market, rows: Rows, kept: int, i: int, x: int) -> int:
    """Best ad that could stand in ad i's slot: one shown with less exposure (they swap), or not shown."""
    here = place_of(rows, kept, i)
    need = need_at(grid, rows, kept, here)
    best = -1
    for n in range(rows.count[kept]):
        a = rows.ad[kept, n]
        if exposure_at(grid, rows, kept, n) >= x or market.kind[a] < need:
            continue
        if market.kind[i] >= need_at(grid, rows, kept, n) and (best < 0 or _first_of(market, a, best)):
            best = a
    for k in range(need, market.start.shape[0] - 1):
        for r in range(market.start[k], market.start[k + 1]):
            a = market.ranked[r]
            if best >= 0 and not _first_of(market, a, best):
                break
            if not _takes_part(market, rows, kept, a, i) and not _same(market, a, i):
                best = a
                break
    return best


@leaf
def _takes_part(market: Market, rows: Rows, kept: int, a: int, i: int) -> bool:
    """Whether ad a is shown, or may not be beside an ad that is, ad i apart."""
    for n in range(rows.count[kept]):
        b = rows.ad[kept, n]
        if b == a or (b != i and clash(market, a, b)):
            return True
    return False


@leaf
def _same(market: Market, a: int, b: int) -> bool:
    return bool(market.advertiser_id[a] == market.advertiser_id[b])


@leaf
def _setter(grid: Grid, market: Market, rows: Rows, kept: int, i: int) -> tuple[int, int]:
    """Who gains most in value where ad i loses its slot: another ad, or the organic items."""
    best, best_ad = np.int64(0), -1
    organic = rows.total[LOSING] - rows.total[kept]
    for n in range(rows.count[kept]):
        organic += exposure_at(grid, rows, kept, n) * market.worth[rows.ad[kept, n]]
    for n in range(rows.count[LOSING]):
        a = rows.ad[LOSING, n]
        now = exposure_at(grid, rows, LOSING, n)
        if a == i:
            organic -= now * rows.probe_worth[LOSING]
            continue
        organic -= now * market.worth[a]
        gain = (now - exposure_of(grid, rows, kept, a)) * market.worth[a]
        if gain > best or (gain == best and best_ad >= 0 and _first_of(market, a, best_ad)):
            best, best_ad = gain, a
    if best_ad >= 0 and best >= organic:
        return SET_BY_AD, best_ad
    return SET_BY_ORGANIC, -1


@leaf
def _first_of(market: Market, a: int, b: int) -> bool:
    return ahead(
        market.worth[a], market.tie[a], market.ad_id[a], market.worth[b], market.tie[b], market.ad_id[b]
    )
