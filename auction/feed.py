"""The blended feed: layout, prices and reasons of every slate of a batch, one after the other."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.bid import VALUE_ONE
from auction.columns import Columns, Results, Scratch, Terms
from auction.compiled import kernel, part
from auction.grid import EXPOSURE_ONE, ads_allowed, lay_grid, least_worth_alone
from auction.loss import explain
from auction.market import NO_PROBE, OUT, new_market
from auction.pricing import price_ad
from auction.rows import SHOWN, exposure_at, new_rows
from auction.score import OK, TOO_LARGE, admit, check_organic
from auction.settle import settle
from auction.slate import Int64
from auction.table import count_states, new_table
from auction.tie import tie_hash

CELL_LIMIT = 2**22
"""States times positions times gap classes of one feed: some 200 MB of table."""


@kernel
def decide_feeds(columns: Columns, terms: Terms, results: Results, scratch: Scratch) -> Int64:
    """Decide every slate; returns [code, slate, entry in the slate] of the first one refused."""
    status = np.zeros(3, np.int64)
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
    columns: Columns, terms: Terms, scratch: Scratch, n: int, organic_need: np.ndarray
) -> tuple[int, bool]:
    """Set each eligible ad's class and each organic item's need; returns classes and if any minds.

    Two tolerances are one class where no item of the page tells them apart.
    """
    start, stop = columns.ad_start[n], columns.ad_start[n + 1]
    first = columns.organic_start[n]
    present = np.zeros(3, np.bool_)
    for k in range(organic_need.shape[0]):
        present[columns.organic_grade[first + k]] = True
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
    return classes, minds


@part
def _decide(columns: Columns, terms: Terms, results: Results, scratch: Scratch, n: int) -> tuple[int, int]:
    start, stop = columns.ad_start[n], columns.ad_start[n + 1]
    first = columns.organic_start[n]
    organics = columns.organic_start[n + 1] - first
    size = stop - start
    ads = ads_allowed(terms.max_ads, terms.max_share, organics)
    value = np.zeros(organics, np.int64)
    for k in range(organics):
        code = check_organic(columns, terms, first + k)
        if code != OK:
            return code, k
        units = columns.organic_utility[first + k] * terms.exchange_rate * VALUE_ONE
        value[k] = np.int64(np.rint(units))
    need = np.zeros(organics, np.int8)
    classes, minds = _tolerance_classes(columns, terms, scratch, n, need)
    kind = scratch.kind[:size]
    eligible = 0
    for i in range(size):
        if kind[i] >= 0:
            scratch.tie[i] = tie_hash(columns.seed[n], columns.ad_id[start + i])
            eligible += 1
    classes = max(classes, 1)
    grid = lay_grid(
        terms.examination,
        terms.gap_effect,
        value,
        need,
        min(ads, eligible),
        terms.first_position,
        terms.min_gap,
        terms.ad_last,
        minds,
        columns.positions_since_ad[n],
    )
    results.organic_only_value_micros[n] = grid.tail[0] / (EXPOSURE_ONE * VALUE_ONE)
    limit = np.zeros(classes, np.int64)
    for i in range(size):
        if kind[i] >= 0 and limit[kind[i]] < grid.ads:
            limit[kind[i]] += 1
    cells = count_states(limit, grid.ads) * (grid.last + 1) * (grid.near + 1) * (1 + grid.touching)
    if cells > CELL_LIMIT:
        return TOO_LARGE, cells
    market = new_market(
        scratch.worth[:size],
        scratch.tie[:size],
        columns.ad_id[start:stop],
        columns.advertiser_id[start:stop],
        kind,
        classes,
        terms.one_per_advertiser,
        grid.ads,
    )
    table = new_table(grid, limit)
    rows = new_rows(grid.ads)
    settle(grid, table, market, rows, SHOWN, NO_PROBE, np.int64(0), OUT)
    total = rows.total[SHOWN]
    organic = total
    for place in range(rows.count[SHOWN]):
        i = rows.ad[SHOWN, place]
        slot = rows.slot[SHOWN, place]
        units = exposure_at(grid, rows, SHOWN, place)
        organic -= units * market.worth[i]
        results.position[start + i] = slot
        results.exposure[start + i] = units / EXPOSURE_ONE
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
            terms.reserve[columns.billable[start + i]],
            scratch.rate[i],
            scratch.quality[i],
            sibling,
        )
        results.price_micros[start + i] = price
        results.setter[start + i] = setter
        results.setter_ad_id[start + i] = columns.ad_id[start + ad] if ad >= 0 else 0
    results.value_micros[n] = total / (EXPOSURE_ONE * VALUE_ONE)
    results.organic_value_micros[n] = organic / (EXPOSURE_ONE * VALUE_ONE)
    alone = np.zeros(classes + 1, np.int64)
    for k in range(classes):
        alone[k] = least_worth_alone(grid, k)
    alone[classes] = least_worth_alone(grid, 127)
    explain(grid, market, rows, alone, results.reason[start:stop])
    return OK, 0
