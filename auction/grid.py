"""The geometry of one feed: where ads may stand, what a look is worth there, what they push down.

Nothing here depends on a bid. That is what makes the total value of the best layout a convex
function of each ad's worth, and prices exact.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.bid import VALUE_LIMIT
from auction.compiled import kernel, leaf
from auction.slate import Int8, Int64

EXPOSURE_ONE = 100_000
"""Units of exposure in one full look."""

NO_AD, FOR_AD, MODULE = 1, 2, 3
"""Codes of `auction.hold.Hold`."""

KEPT_LIMIT = 32
"""Most positions of a page that may be reserved for ads."""

BAD_HOLD = 11
BEYOND_PAGE = 12
TOO_MANY_KEPT = 13
"""Codes of what `check_hold` refuses, as those of `auction.score`."""


class Grid(NamedTuple):
    """Positions 1..last, gap classes 0..near (``min_gap + class`` positions; `near` is any farther)."""

    last: int
    """Last position that any ad may take."""
    ads: int
    """Most ads in the feed."""
    near: int
    """Gap classes with a factor of their own."""
    min_gap: int
    touching: int
    """1 where ads may touch and a neighbour's grade matters, else 0."""
    exposure: Int64
    """[(last + 1) * (near + 1)]: units of exposure by cell, ``s * (near + 1) + class``; 0 where closed."""
    shift: Int64
    """[ads + 1, last + 1]: change of the organic items' value when ad j is put at position s, and what
    the position is reserved for."""
    tail: Int64
    """[ads + 1]: value of all organic items if every one had j ads before it."""
    bonus: Int64
    """[last + 1]: what of `shift` is no value of the feed, but puts an ad on a reserved position."""
    opening: Int64
    """[last + 1]: gap class of a first ad there, -1 where it may not stand."""
    first: int
    """First position of a first ad."""
    rank: Int64
    """[last + 1]: positions up to s that are no module's: with the j-th ad at s, s has rank - j organic
    items before it."""
    high: Int64
    """[ads + 1]: last position that the j-th ad may take, by the organic items there are."""
    need_before: Int8
    """[organic items + 2]: tolerance class needed behind organic item t (0 is no demand)."""
    need_after: Int8
    """[organic items + 2]: the same, ahead of organic item t + 1."""
    module_before: Int8
    """[last + 1]: tolerance class needed behind a module at s - 1, -1 where none stands there."""
    module_after: Int8
    """[last + 1]: the same ahead of one at s + 1."""
    enter_start: Int64
    """[last + 2]: where position s begins in `enter_cell`."""
    enter_cell: Int64
    """Cells ``s * (near + 1) + class`` by the first position that an ad far behind them may take."""
    dimmest: Int64
    """[near + 1]: gap classes, least exposed first."""
    enough: Int64
    """[(last + 1) * (near + 1)]: for a near cell, the first place in `dimmest` whose class, at the position
    before, is no less exposed than the cell; near + 1 where none is."""


@leaf
def is_open(hold: Int8, s: int) -> bool:
    """Whether an ad may stand at position s, as far as the mixer has a say."""
    return s > hold.shape[0] or (hold[s - 1] != NO_AD and hold[s - 1] != MODULE)


@leaf
def is_module(hold: Int8, s: int) -> bool:
    return 1 <= s <= hold.shape[0] and hold[s - 1] == MODULE


@leaf
def ads_allowed(max_ads: int, max_share: float, organics: int) -> int:
    """Largest n with n <= max_share * (organics + n), at most `max_ads`.

    The slack of 1e-9 lets a share such as 1/3 mean what was written.
    """
    allowed = 0
    while allowed < max_ads and (allowed + 1) - max_share * (organics + allowed + 1) <= 1e-9:
        allowed += 1
    return allowed


@leaf
def exposure_units(examination: float, gap_effect: float) -> int:
    """Whole units of exposure, half to even."""
    return np.int64(np.rint(examination * gap_effect * EXPOSURE_ONE))


@leaf
def check_hold(hold: Int8, reach: int) -> tuple[int, int]:
    """Code and entry of what is refused of a page's held positions, (0, 0) where nothing is.

    Args:
        reach: organic items and ads that a page may have; modules come on top.
    """
    kept = 0
    for s in range(hold.shape[0]):
        if not 0 <= hold[s] <= MODULE:
            return BAD_HOLD, s
        reach += 1 if hold[s] == MODULE else 0
        kept += 1 if hold[s] == FOR_AD else 0
        if kept > KEPT_LIMIT:
            return TOO_MANY_KEPT, s
    for s in range(reach, hold.shape[0]):
        if hold[s] != 0:
            return BEYOND_PAGE, s
    return 0, 0


@leaf
def slots_that_fit(
    hold: Int8, most: int, room: int, last: int, first_position: int, gap: int, since_ad: int
) -> int:
    """How many ads fit at the smallest gaps: each as early as it may stand.

    Args:
        most: ads that are allowed; the count stops there.
        room: most organic items before an ad.
        last: last position that is seen.
    """
    count, rank = 0, 0
    s = 0
    before = -since_ad if since_ad >= 0 else -gap
    while count < most and s < last:
        s += 1
        rank += 0 if is_module(hold, s) else 1
        if rank - (count + 1) > room:
            break
        if s >= first_position and s - before >= gap and is_open(hold, s):
            count += 1
            before = s
    return count


@leaf
def gap_kept(
    hold: Int8,
    most: int,
    room: int,
    last: int,
    first_position: int,
    min_gap: int,
    wanted_gap: int,
    since_ad: int,
) -> int:
    """The widest gap up to `wanted_gap` at which as many ads fit as at `min_gap`."""
    gap = wanted_gap
    if gap > min_gap:
        fits = slots_that_fit(hold, most, room, last, first_position, min_gap, since_ad)
        while gap > min_gap and slots_that_fit(hold, most, room, last, first_position, gap, since_ad) < fits:
            gap -= 1
    return gap


@leaf
def positions_seen(examination: np.ndarray) -> int:
    seen = 0
    while seen < examination.shape[0] and exposure_units(examination[seen], 1.0) > 0:
        seen += 1
    return seen


@kernel
def lay_grid(
    examination: np.ndarray,
    gap_effect: np.ndarray,
    value: np.ndarray,
    need: np.ndarray,
    hold: np.ndarray,
    module_need: int,
    ads: int,
    first_position: int,
    min_gap: int,
    ad_last: bool,
    adjacency: bool,
    since_ad: int,
) -> Grid:
    """Geometry of one feed.

    Args:
        examination: float64 [positions], does not increase; 0 past its end.
        gap_effect: float64 [distances], for 1, 2, ...; 1 past its end, and no trailing 1.
        value: int64 [organics], units of worth of the organic items.
        need: int8 [organics], tolerance class an ad beside the item needs.
        hold: int8 [positions], what the mixer holds; all that follow are open.
        module_need: tolerance class an ad beside a module needs.
        ads: most ads in the feed.
        first_position: of the first ad.
        min_gap: positions from one ad to the next.
        ad_last: whether the feed may end on an ad.
        adjacency: whether some ad of the slate minds some item of the page.
        since_ad: positions since the last ad of the page before, -1 for none.
    """
    organics = value.shape[0]
    modules = 0
    for s in range(1, hold.shape[0] + 1):
        modules += 1 if is_module(hold, s) else 0
    length = min(positions_seen(examination), organics + ads + modules)
    room = organics if ad_last else organics - 1
    rank = np.zeros(length + 1, np.int64)
    high = np.zeros(ads + 1, np.int64)
    for s in range(1, length + 1):
        rank[s] = rank[s - 1] + (0 if is_module(hold, s) else 1)
    for j in range(1, ads + 1):
        while room >= 0 and high[j] < length and rank[high[j] + 1] - j <= room:
            high[j] += 1
    last = high[ads] if ads > 0 else 0
    touching = 1 if adjacency and min_gap == 1 else 0
    reach = max(gap_effect.shape[0], 1) if touching else gap_effect.shape[0]
    near = max(reach - min_gap + 1, 0)

    exposure = np.zeros((last + 1, near + 1), np.int64)
    for s in range(1, last + 1):
        for c in range(near):
            d = c + min_gap
            g = gap_effect[d - 1] if d <= gap_effect.shape[0] else 1.0
            exposure[s, c] = exposure_units(examination[s - 1], g)
        exposure[s, near] = exposure_units(examination[s - 1], 1.0)

    # along[j, s]: value of the organic items at positions 1..s if j ads stood before all of them.
    along = np.zeros((ads + 1, length + 1), np.int64)
    tail = np.zeros(ads + 1, np.int64)
    for j in range(ads + 1):
        for s in range(1, length + 1):
            item = rank[s] - j
            gain = np.int64(0)
            if 1 <= item <= organics and not is_module(hold, s):
                gain = exposure_units(examination[s - 1], 1.0) * value[item - 1]
            along[j, s] = along[j, s - 1] + gain
        tail[j] = along[j, length]
    bonus = np.zeros(last + 1, np.int64)
    for s in range(1, min(last, hold.shape[0]) + 1):
        if hold[s - 1] == FOR_AD:
            bonus[s] = VALUE_LIMIT * exposure[s, near]
    shift = np.zeros((ads + 1, last + 1), np.int64)
    for j in range(1, ads + 1):
        for s in range(1, last + 1):
            shift[j, s] = along[j - 1, s - 1] - along[j, s] + bonus[s]

    opening = np.full(last + 1, -1, np.int64)
    first = last + 1
    for s in range(last, 0, -1):
        if s < first_position or (since_ad >= 0 and since_ad + s < min_gap) or not is_open(hold, s):
            continue
        d = since_ad + s if since_ad >= 0 else min_gap + near
        opening[s] = min(d - min_gap, near)
        first = s

    need_before = np.zeros(organics + 2, np.int8)
    need_after = np.zeros(organics + 2, np.int8)
    module_before = np.full(last + 1, -1, np.int8)
    module_after = np.full(last + 1, -1, np.int8)
    if adjacency:
        for t in range(1, organics + 1):
            need_before[t] = need[t - 1]
            need_after[t - 1] = need[t - 1]
        for s in range(1, last + 1):
            if is_module(hold, s - 1):
                module_before[s] = module_need
            if is_module(hold, s + 1):
                module_after[s] = module_need

    enter_start, enter_cell = _entries(exposure, last, near, min_gap)
    for s in range(1, last + 1):
        if not is_open(hold, s):
            exposure[s] = 0
    dimmest, enough = _brightness(exposure, gap_effect, last, near, min_gap)
    return Grid(
        last,
        ads,
        near,
        min_gap,
        touching,
        exposure.ravel(),
        shift,
        tail,
        bonus,
        opening,
        first,
        rank[: last + 1].copy(),
        high,
        need_before,
        need_after,
        module_before,
        module_after,
        enter_start,
        enter_cell,
        dimmest,
        enough,
    )


@kernel
def _brightness(
    exposure: np.ndarray, gap_effect: np.ndarray, last: int, near: int, min_gap: int
) -> tuple[np.ndarray, np.ndarray]:
    """`Grid.dimmest` and `Grid.enough`. Exposure never falls when the gap effect rises."""
    width = near + 1
    effect = np.ones(width, np.float64)
    for c in range(near):
        d = c + min_gap
        if d <= gap_effect.shape[0]:
            effect[c] = gap_effect[d - 1]
    dimmest = np.empty(width, np.int64)
    for c in range(width):
        place = c
        while place > 0 and effect[dimmest[place - 1]] > effect[c]:
            dimmest[place] = dimmest[place - 1]
            place -= 1
        dimmest[place] = c
    enough = np.full((last + 1) * width, width, np.int64)
    for s in range(1, last + 1):
        for c in range(near):
            p = s - c - min_gap
            if p < 1 or exposure[s, c] == 0:
                continue
            place = 0
            while place < width and exposure[p, dimmest[place]] < exposure[s, c]:
                place += 1
            enough[s * width + c] = place
    return dimmest, enough


@leaf
def need_behind(grid: Grid, s: int, t: int) -> int:
    """Tolerance class that what stands at s - 1 asks for, with t organic items before position s."""
    return np.int64(grid.module_before[s] if grid.module_before[s] >= 0 else grid.need_before[t])


@leaf
def need_ahead(grid: Grid, s: int, t: int) -> int:
    """The same for what stands at s + 1."""
    return np.int64(grid.module_after[s] if grid.module_after[s] >= 0 else grid.need_after[t])


@kernel
def _entries(exposure: np.ndarray, last: int, near: int, min_gap: int) -> tuple[np.ndarray, np.ndarray]:
    """From which position on an ad may follow each cell at full gap effect.

    It must be far enough, and no better exposed than the cell; examination does not increase, so a
    cell that once may be followed stays so.
    """
    width = near + 1
    at = np.full(last * width + width, last + 1, np.int64)
    count = np.zeros(last + 3, np.int64)
    for s in range(1, last + 1):
        for c in range(width):
            p = s + near + min_gap
            while p <= last and exposure[p, near] > exposure[s, c]:
                p += 1
            if p <= last and exposure[s, c] > 0:
                at[s * width + c] = p
                count[p + 1] += 1
    start = np.zeros(last + 2, np.int64)
    for p in range(1, last + 2):
        start[p] = start[p - 1] + count[p]
    fill = start.copy()
    cells = np.empty(start[last + 1], np.int64)
    for s in range(1, last + 1):
        for c in range(near, -1, -1):
            p = at[s * width + c]
            if p <= last:
                cells[fill[p]] = s * width + c
                fill[p] += 1
    return start, cells


@leaf
def slots_at_most(grid: Grid) -> int:
    """How many ads fit at the smallest gaps."""
    count = 0
    before = -grid.min_gap
    for s in range(grid.first, grid.last + 1):
        if count == grid.ads or s > grid.high[count + 1]:
            break
        if s - before >= grid.min_gap and grid.exposure[s * (grid.near + 1) + grid.near] > 0:
            count += 1
            before = s
    return count


@leaf
def least_worth_alone(grid: Grid, tolerance_class: int) -> int:
    """Smallest worth at which an ad of the class, alone in the feed, beats the organic items.

    A class of 127 minds no neighbour. Returns 2**62 where no slot is open to it.
    """
    least = np.int64(2**62)
    if grid.ads == 0:
        return least
    for s in range(grid.first, grid.high[1] + 1):
        c = grid.opening[s]
        if c < 0:
            continue
        x = grid.exposure[s * (grid.near + 1) + c]
        t = grid.rank[s] - 1
        if x < 1 or max(need_behind(grid, s, t), need_ahead(grid, s, t)) > tolerance_class:
            continue
        cost = grid.tail[0] - grid.tail[1] - grid.shift[1, s]
        least = min(least, -((-cost) // x))
    return least


@leaf
def ceil_div(a: int, b: int) -> int:
    """Smallest integer not below a / b, for b > 0."""
    return -((-a) // b)
