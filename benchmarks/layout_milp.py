"""The best layout of a feed as a mixed-integer program, for an exact solver to be a peer of the auction.

Written from ``docs/auction.md`` and from nothing of the package's kernels. A feed is a path through a network
of (ads so far, position, gap to the ad before); ads are assigned to the cells that the path visits, and an
ad may take a cell only where the neighbours allow it. Only the path's nodes are binary: with the path
given, what is left is a bipartite assignment, whose corners are whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from scipy import optimize, sparse

from auction.policy import AuctionPolicy
from auction.slate import Slate

LOOK = 100_000
"""Units of exposure of a full look; worths are in thousandths of a micro, so totals are whole numbers."""


@dataclass(frozen=True, slots=True)
class SolvedLayout:
    """A feed as the solver left it."""

    total: int
    """Units of exposure times units of worth, summed in integers over the feed; ads and organic items."""
    placed: tuple[tuple[int, int], ...]
    """(position, ad's index in the slate) in feed order."""
    proved: bool
    """False where the solver ran out of time."""
    seconds: float
    """Inside the solver; building the program is not counted."""


@dataclass(slots=True)
class _Program:
    """Columns and rows of a program under construction."""

    gain: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def column(self, gain: float = 0.0, whole: bool = False) -> int:
        self.gain.append(gain)
        self.whole.append(int(whole))
        return len(self.gain) - 1

    def row(self, terms: Sequence[tuple[int, float]], low: float, high: float) -> None:
        self.entries.extend((len(self.low), column, factor) for column, factor in terms)
        self.low.append(low)
        self.high.append(high)


def worths(slate: Slate, policy: AuctionPolicy) -> tuple[np.ndarray, np.ndarray]:
    """Units of worth [ads], and which of them may compete; for click bids with usable scores."""
    assert bool((slate.billable == 1).all())
    bid = np.floor(slate.bid_micros * slate.multiplier)
    quality = policy.quality
    own = quality.save_micros * slate.p_save + quality.click_micros * slate.p_click
    worth = np.floor(bid * (slate.p_click * 1000)) + np.rint(
        (own - quality.hide_micros * slate.p_hide) * 1000
    )
    may = (bid >= policy.reserve.click_micros) & (slate.relevance >= policy.rules.relevance_floor)
    return worth.astype(np.int64), may


def solve_layout(slate: Slate, policy: AuctionPolicy, seconds: float = 60.0) -> SolvedLayout:
    """The feasible feed of greatest value, by the MILP solver of `scipy.optimize.milp` (HiGHS).

    For slates of click bids and rules with a gap of 2 or more, one ad per advertiser and adjacency.
    """
    rules, exposure = policy.rules, policy.exposure
    assert exposure is not None
    assert rules.min_gap > 1
    assert rules.one_per_advertiser
    assert rules.adjacency
    worth, may = worths(slate, policy)
    organic = np.rint(slate.organic_utility * policy.exchange_rate * 1000).astype(np.int64)
    items = len(organic)
    most = max(n for n in range(rules.max_ads + 1) if n <= rules.max_share * (items + n) + 1e-9)
    last = min(len(exposure.examination), items + most)
    look = [0, *(round(e * LOOK) for e in exposure.examination[:last])]
    far = max(len(exposure.gap_effect) + 1, rules.min_gap)  # from this distance on, the effect is 1
    gaps = range(rules.min_gap, far + 1)

    def seen(s: int, d: int) -> int:
        effect = exposure.gap_effect[d - 1] if d <= len(exposure.gap_effect) else 1.0
        return round(exposure.examination[s - 1] * effect * LOOK)

    def until(j: int, s: int) -> int:
        """The organic items at positions 1..s, all of them behind j ads."""
        return sum(look[p] * int(organic[p - j - 1]) for p in range(j + 1, min(s, items + j) + 1))

    grade = slate.organic_grade
    program = _Program()
    source = program.column()
    program.row([(source, 1.0)], 1.0, 1.0)
    inward: dict[tuple[int, int, int], list[int]] = {}
    outward: dict[tuple[int, int, int], list[int]] = {}
    # A feed waits at (j, s, 0) while its next ad, the (j + 1)-th, may stand at s or later at full effect.
    inward[0, rules.first_position, 0] = [source]

    def arc(tail: tuple[int, int, int], head: tuple[int, int, int]) -> None:
        column = program.column()
        outward.setdefault(tail, []).append(column)
        inward.setdefault(head, []).append(column)

    in_cell: dict[tuple[int, int, int], list[int]] = {}
    for j in range(most + 1):
        for s in range(1, last + 1):
            if j < most:
                if s < last:
                    arc((j, s, 0), (j, s + 1, 0))
                arc((j, s, 0), (j + 1, s, far))
            if j == 0:
                continue
            before = s - j
            if before < 0 or before > items or (before == items and not rules.ad_last):
                continue
            need = max([int(grade[k]) for k in (before - 1, before) if 0 <= k < items], default=0)
            organics = until(j - 1, s - 1) - until(j, s) + until(j, last) - until(j - 1, last)
            for d in gaps:
                x = seen(s, d)
                if x < 1:
                    continue
                node = []
                for level in range(need, 3):
                    column = program.column(organics / LOOK / 1000, whole=True)
                    in_cell.setdefault((s, d, level), []).append(column)
                    node.append((column, -1.0))
                program.row([(c, 1.0) for c in inward.get((j, s, d), [])] + node, 0.0, 0.0)
                if j == most:
                    continue
                for then in range(rules.min_gap, far):
                    if s + then <= last and seen(s + then, then) <= x:
                        arc((j, s, d), (j + 1, s + then, then))
                enter = next((p for p in range(s + far, last + 1) if seen(p, far) <= x), None)
                if enter is not None:
                    arc((j, s, d), (j, enter, 0))
                if (j, s, d) in outward:
                    left = [(c, 1.0) for c in outward[j, s, d]]
                    program.row(left + node, -1.0, 0.0)
    for state, columns in outward.items():
        if state[2] == 0:  # no more waits end than began
            came = [(c, -1.0) for c in inward.get(state, [])]
            program.row([(c, 1.0) for c in columns] + came, -1.0, 0.0)

    chosen: dict[int, tuple[int, int, int]] = {}
    of_advertiser: dict[int, list[tuple[int, float]]] = {}
    tolerant = [np.flatnonzero(may & (slate.tolerance == level)).tolist() for level in range(3)]
    for (s, d, level), columns in in_cell.items():
        terms = [(c, -1.0) for c in columns]
        for i in tolerant[level]:
            column = program.column(seen(s, d) / LOOK * int(worth[i]) / 1000)
            chosen[column] = (s, d, i)
            of_advertiser.setdefault(int(slate.advertiser_id[i]), []).append((column, 1.0))
            terms.append((column, 1.0))
        program.row(terms, 0.0, 0.0)
    for taken in of_advertiser.values():
        program.row(taken, 0.0, 1.0)
    # Arcs into a cell that is no node lead nowhere.
    nodes = {(j, s, d) for (j, s, d) in inward if d > 0}
    for j, s, d in nodes:
        before = s - j
        fits = 0 <= before < items + int(rules.ad_last) and seen(s, d) >= 1
        if not fits:
            program.row([(c, 1.0) for c in inward[j, s, d]], 0.0, 0.0)

    rows, columns_, factors = zip(*program.entries, strict=True)
    matrix = sparse.csr_array((factors, (rows, columns_)), shape=(len(program.low), len(program.gain)))
    start = perf_counter()
    found = optimize.milp(
        -np.array(program.gain),
        integrality=np.array(program.whole),
        bounds=optimize.Bounds(0.0, 1.0),
        constraints=optimize.LinearConstraint(matrix, np.array(program.low), np.array(program.high)),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    taken_s = perf_counter() - start
    if found.x is None:
        return SolvedLayout(0, (), False, taken_s)
    feed = sorted(chosen[c] for c in chosen if found.x[c] > 0.5)
    total = until(0, last)
    for j, (s, d, i) in enumerate(feed, start=1):
        total += seen(s, d) * int(worth[i])
        total += until(j - 1, s - 1) - until(j, s) + until(j, last) - until(j - 1, last)
    return SolvedLayout(total, tuple((s, i) for s, _, i in feed), found.status == 0, taken_s)


def total_units(value_micros: float) -> int:
    """The auction's total in whole units, which a float of micros still holds exactly below 2**53."""
    units = value_micros * LOOK * 1000
    assert abs(units) < 2**53
    return math.floor(units + 0.5)
