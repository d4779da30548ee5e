"""The blended feed: layout, prices and reasons of every slate of a batch, one after the other."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import math

import numpy as np

from auction.bid import VALUE_ONE
from auction.columns import Columns, Results, Scratch, Terms, new_scratch
from auction.compiled import kernel, leaf, part
from auction.grid import (
    EXPOSURE_ONE,
    MODULE,
    ads_allowed,
    check_hold,
    gap_kept,
    lay_grid,
    least_worth_alone,
    positions_seen,
)
from auction.loss import explain
from auction.market import new_market
from auction.pricing import price_ad, soften
from auction.rows import SHOWN, exposure_at, new_rows
from auction.score import OK, TOO_LARGE, admit, check_organic
from auction.settle import AGAIN, CUT, LIMIT, WORK, WORK_LIMIT, fill_base, settle_base
from auction.slate import Int8, Int64
from auction.table import cells_of
from auction.tie import tie_hash

ADS_LIMIT = 32
"""Most ads of any policy. A position that no policy reaches cannot be held; whether this one does, is no
error, since a log is replayed under others."""

CELL_LIMIT = 2**22
"""States times positions times gap classes of one feed: some 200 MB of table."""


LOW, MEDIUM = 0, 1
"""Codes of `auction.billable.Grade`."""

NO_RUN = np.int64(0)


@kernel
def decide_feeds(columns: Columns, terms: Terms, results: Results) -> Int64:
    """Decide every slate; returns [code, slate, entry in the slate] of the first one refused."""
    status = np.zeros(3, np.int64)
    scratch = new_scratch(columns, terms, NO_RUN)
    for n in range(columns.seed.shape[0]):
        code, entry = admit(columns, terms, results, scratch, n)
        if code == OK:
            code, entry = _decide(columns, terms, results, scratch, n)
        if code != OK:
            status[0], status[1], status[2] = code, n, entry
            break
    return status


@part
def _tolerance_classes(
    columns: Columns, terms: Terms, scratch: Scratch, n: int, organic_need: np.ndarray, hold: Int8
) -> tuple[int, bool, int]:
    """Set each eligible ad's class and each organic item's need.

    Two tolerances are one class where no item of the page tells them apart.

    Returns:
        How many classes there are, whether any ad minds any item, and what a module needs.
    """
    start, stop = columns.ad_start[n], columns.ad_start[n + 1]
    first = columns.organic_start[n]
    present = np.zeros(3, np.bool_)
    for k in range(organic_need.shape[0]):
        present[columns.organic_grade[first + k]] = True
    modules = False
    for s in range(hold.shape[0]):
        modules = modules or hold[s] == MODULE
    present[MEDIUM] = present[MEDIUM] or modules
    # Riskiest grade of the page that an ad of each tolerance accepts.
    accepts = np.zeros(3, np.int64)
    for tolerance in range(1, 3):
        accepts[tolerance] = tolerance if present[tolerance] else accepts[tolerance - 1]
    used = np.zeros(3, np.bool_)
    for i in range(start, stop):
        if scratch.kind[i - start] >= 0:
            level = accepts[columns.tolerance[i]] if terms.adjacency else 0
            scratch.kind[i - start] = level
            used[level] = True
    name = np.zeros(4, np.int64)
    classes = 0
    for level in range(3):
        name[level] = classes
        classes += 1 if used[level] else 0
    name[3] = classes
    minds = False
    for k in range(organic_need.shape[0]):
        grade = columns.organic_grade[first + k]
        organic_need[k] = name[grade] if terms.adjacency else 0
        minds = minds or organic_need[k] > 0
    for i in range(stop - start):
        if scratch.kind[i] >= 0:
            scratch.kind[i] = name[scratch.kind[i]]
    module_need = name[MEDIUM] if terms.adjacency and modules else np.int64(0)
    return classes, minds or module_need > 0, module_need


@leaf
def _most_ads(columns: Columns, terms: Terms, first: int, organics: int) -> int:
    """Ads that the rules allow a page of these organic items."""
    if organics < terms.min_organics:
        return 0
    most = terms.max_ads
    if terms.max_share_of_safe >= 0.0:
        safe = 0
        for k in range(first, first + organics):
            safe += 1 if columns.organic_grade[k] == LOW else 0
        most = min(most, np.int64(math.floor(terms.max_share_of_safe * safe + 1e-9)))
    return ads_allowed(most, terms.max_share, organics)


@part
def _decide(columns: Columns, terms: Terms, results: Results, scratch: Scratch, n: int) -> tuple[int, int]:
    start, stop = columns.ad_start[n], columns.ad_start[n + 1]
    first = columns.organic_start[n]
    organics = columns.organic_start[n + 1] - first
    size = stop - start
    hold = columns.hold[columns.hold_start[n] : columns.hold_start[n + 1]]
    code, entry = check_hold(hold, organics + ADS_LIMIT)
    if code != OK:
        return code, entry
    ads = _most_ads(columns, terms, first, organics)
    value = np.zeros(organics, np.int64)
    for k in range(organics):
        code = check_organic(columns, terms, first + k)
        if code != OK:
            return code, k
        units = columns.organic_utility[first + k] * terms.exchange_rate * VALUE_ONE
        value[k] = np.int64(np.rint(units))
    need = np.zeros(organics, np.int8)
    classes, minds, module_need = _tolerance_classes(columns, terms, scratch, n, need, hold)
    kind = scratch.kind[:size]
    eligible = 0
    for i in range(size):
        if kind[i] >= 0:
            scratch.tie[i] = tie_hash(columns.seed[n], columns.ad_id[start + i])
            eligible += 1
    classes = max(classes, 1)
    gap = gap_kept(
        hold,
        ads,
        organics if terms.ad_last else organics - 1,
        positions_seen(terms.examination),
        terms.first_position,
        terms.min_gap,
        terms.wanted_gap,
        columns.positions_since_ad[n],
    )
    grid = lay_grid(
        terms.examination,
        terms.gap_effect,
        value,
        need,
        hold,
        module_need,
        min(ads, eligible),
        terms.first_position,
        gap,
        terms.ad_last,
        minds,
        columns.positions_since_ad[n],
    )
    results.organic_only_value_micros[n] = grid.tail[0] / (EXPOSURE_ONE * VALUE_ONE)
    market = new_market(
        scratch.worth[:size],
        scratch.tie[:size],
        columns.ad_id[start:stop],
        columns.advertiser_id[start:stop],
        columns.category_id[start:stop],
        kind,
        classes,
        terms.one_per_advertiser,
        terms.one_per_category,
        grid.ads,
    )
    cells = cells_of(grid, market)
    if cells > CELL_LIMIT:
        return TOO_LARGE, cells
    rows = new_rows(grid.ads, WORK_LIMIT, terms.branches)
    table = settle_base(grid, market, rows)
    total = rows.total[SHOWN]
    for place in range(rows.count[SHOWN]):
        total -= grid.bonus[rows.slot[SHOWN, place]]
    organic = total
    cut = rows.work[CUT]
    place = 0
    rows.work[WORK], rows.work[LIMIT] = 0, WORK_LIMIT // max(rows.count[SHOWN], 1)
    while place < rows.count[SHOWN]:
        i = rows.ad[SHOWN, place]
        sibling = np.int64(0)
        if not terms.one_per_advertiser:
            for a in range(size):
                same = columns.advertiser_id[start + a] == columns.advertiser_id[start + i]
                if a != i and kind[a] >= 0 and same:
                    sibling = np.int64(1)
        price, setter, ad = price_ad(
            grid,
            table,
            market,
            rows,
            i,
            terms.pricing,
            scratch.bid[i],
            scratch.reserve[i],
            scratch.rate[i],
            scratch.quality[i],
            sibling,
        )
        if rows.work[AGAIN] == 1:
            # The layout stands, being exact; its table does not.
            table = fill_base(grid, market, rows)
            continue
        units = exposure_at(grid, rows, SHOWN, place)
        organic -= units * market.worth[i]
        results.position[start + i] = rows.slot[SHOWN, place]
        results.exposure[start + i] = units / EXPOSURE_ONE
        soft = terms.soft_floor[columns.billable[start + i]]
        price, setter, ad = soften(price, setter, ad, terms.pricing, scratch.bid[i], soft)
        results.price_micros[start + i] = price
        results.setter[start + i] = setter
        results.setter_ad_id[start + i] = columns.ad_id[start + ad] if ad >= 0 else 0
        place += 1
        # A search that was cut short for one price leaves the next its own share of the work.
        cut |= rows.work[CUT]
        rows.work[WORK], rows.work[CUT] = 0, 0
    results.exact[n] = 1 - cut
    results.value_micros[n] = total / (EXPOSURE_ONE * VALUE_ONE)
    results.organic_value_micros[n] = organic / (EXPOSURE_ONE * VALUE_ONE)
    alone = np.zeros(classes + 1, np.int64)
    for k in range(classes):
        alone[k] = least_worth_alone(grid, k)
    alone[classes] = least_worth_alone(grid, 127)
    explain(grid, market, rows, alone, results.reason[start:stop])
    return OK, 0
