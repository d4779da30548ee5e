"""The geometry of one feed: where ads may stand, what a look is worth there, what they push down.

Nothing here depends on a bid. That is what makes the total value of the best layout a convex
function of each ad's worth, and prices exact.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.compiled import kernel, leaf
from auction.slate import Int8, Int64

EXPOSURE_ONE = 100_000
"""Units of exposure in one full look."""


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
    room: int
    """Most organic items before an ad."""
    exposure: Int64
    """[(last + 1) * (near + 1)]: units of exposure by cell, ``s * (near + 1) + class``."""
    shift: Int64
    """[ads + 1, last + 1]: change of the organic items' value when ad j is put at position s."""
    tail: Int64
    """[ads + 1]: value of all organic items if every one had j ads before it."""
    opening: Int64
    """[last + 1]: gap class of a first ad there, -1 where it may not stand."""
    first: int
    """First position of a first ad."""
    need_before: Int8
    """[organic items + 2]: tolerance class needed behind organic item t (0 is no demand)."""
    need_after: Int8
    """[organic items + 2]: the same, ahead of organic item t + 1."""
    enter_start: Int64
    """[last + 2]: where position s begins in `enter_cell`."""
    enter_cell: Int64
    """Cells ``s * (near + 1) + class`` by the first position that an ad far behind them may take."""


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


@kernel
def lay_grid(
    examination: np.ndarray,
    gap_effect: np.ndarray,
    value: np.ndarray,
    need: np.ndarray,
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
        ads: most ads in the feed.
        first_position: of the first ad.
        min_gap: positions from one ad to the next.
        ad_last: whether the feed may end on an ad.
        adjacency: whether some ad of the slate minds some item of the page.
        since_ad: positions since the last ad of the page before, -1 for none.
    """
    organics = value.shape[0]
    seen = 0
    while seen < examination.shape[0] and exposure_units(examination[seen], 1.0) > 0:
        seen += 1
    length = min(seen, organics + ads)
    room = organics if ad_last else organics - 1
    last = min(length, max(room, 0) + ads) if room >= 0 else 0
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
            item = s - j
            gain = np.int64(0)
            if 1 <= item <= organics:
                gain = exposure_units(examination[s - 1], 1.0) * value[item - 1]
            along[j, s] = along[j, s - 1] + gain
        tail[j] = along[j, length]
    shift = np.zeros((ads + 1, last + 1), np.int64)
    for j in range(1, ads + 1):
        for s in range(1, last + 1):
            shift[j, s] = along[j - 1, s - 1] - along[j, s]

    opening = np.full(last + 1, -1, np.int64)
    first = last + 1
    for s in range(last, 0, -1):
        if s < first_position or (since_ad >= 0 and since_ad + s < min_gap):
            continue
        d = since_ad + s if since_ad >= 0 else min_gap + near
        opening[s] = min(d - min_gap, near)
        first = s

    need_before = np.zeros(organics + 2, np.int8)
    need_after = np.zeros(organics + 2, np.int8)
    if adjacency:
        for t in range(1, organics + 1):
            need_before[t] = need[t - 1]
            need_after[t - 1] = need[t - 1]

    enter_start, enter_cell = _entries(exposure, last, near, min_gap)
    return Grid(
        last,
        ads,
        near,
        min_gap,
        touching,
        room,
        exposure.ravel(),
        shift,
        tail,
        opening,
        first,
        need_before,
        need_after,
        enter_start,
        enter_cell,
    )


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
    s = grid.first
    while count < grid.ads and s <= min(grid.last, grid.room + count + 1):
        count += 1
        s += grid.min_gap
    return count


@leaf
def least_worth_alone(grid: Grid, tolerance_class: int) -> int:
    """Smallest worth at which an ad of the class, alone in the feed, beats the organic items.

    A class of 127 minds no neighbour. Returns 2**62 where no slot is open to it.
    """
    least = np.int64(2**62)
    if grid.ads == 0:
        return least
    for s in range(grid.first, min(grid.last, grid.room + 1) + 1):
        c = grid.opening[s]
        x = grid.exposure[s * (grid.near + 1) + c]
        t = s - 1
        if x < 1 or max(grid.need_before[t], grid.need_after[t]) > tolerance_class:
            continue
        cost = grid.tail[0] - grid.tail[1] - grid.shift[1, s]
        least = min(least, -((-cost) // x))
    return least


@leaf
def ceil_div(a: int, b: int) -> int:
    """Smallest integer not below a / b, for b > 0."""
    return -((-a) // b)
