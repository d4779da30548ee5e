"""The best reserve of a log, found by holding its auctions again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from auction.bid import BID_LIMIT
from auction.billable import Billable
from auction.errors import InputError
from auction.log.reader import DecisionLog
from auction.policy import AuctionPolicy
from auction.replay.again import decide_again, policy_groups
from auction.replay.bootstrap import BUCKETS, METHOD, buckets_of, interval
from auction.replay.expected import METRICS, expected
from auction.replay.interval import end
from auction.replay.replay import Progress
from auction.reserve.bids import logged_bids
from auction.reserve.report import Change, ReserveRow, ReserveSearch
from auction.slate import Float64

MOST_RESERVES = 100
GRID = 16
REFINED = 6

Objective = Literal["revenue", "net"]

NOTES = (
    "The bids are as logged: bidders, auto-bidders and pacing do not react to the other reserve. Where they "
    "shade their bids (first price, or second price with several slots) they would, so repeat the search.",
    "Held-out gain: the reserve is chosen on one half of the users and measured on the other, both ways. The "
    "gain in the table is of the reserve that looks best in the same auctions, hence a little too good.",
    "Ads that were cut before the auction (budget, pacing, targeting, first-stage ranker) are not in the "
    "slates. Reserves of single ads in the slates (reserve_micros) stay: the larger one binds.",
    "Organic value lost is by the logged policy's exposure curve and exchange rate.",
)


def search_reserve(
    log: DecisionLog | str | Path,
    event: Billable,
    *,
    reserves: Sequence[int] | None = None,
    objective: Objective = "revenue",
    seed: int = 0,
    progress: Progress | None = None,
) -> ReserveSearch:
    """Decide every auction of a log again under each of several reserves of one billable event.

    Args:
        log: the log, or its folder.
        event: whose reserve is tried; those of other events stay as logged.
        reserves: in micros per event. Null: 0 and quantiles of the logged bids, then some more between
            the neighbours of the best.
        objective: `revenue`, or `net` of the organic value that ads displace.
        seed: of the bootstrap's resamples.
        progress: called with the number of decisions of every batch; a search reads the log two or three
            times.

    Raises:
        InputError: an unreadable log (names the file), one without a bid for the event, or a reserve that
            is refused.
    """
    if objective not in ("revenue", "net"):
        raise InputError("objective", objective, "give 'revenue' or 'net'")
    log = log if isinstance(log, DecisionLog) else DecisionLog(log)
    if reserves is not None:
        sweep = _Sweep.over(log, event, _checked(reserves), progress)
    else:
        bids = logged_bids(log, event, progress=progress)
        sweep = _Sweep.over(log, event, _grid(bids.bid_micros), progress)
        more = _between(sweep, objective)
        if more:
            sweep = sweep.joined(_Sweep.over(log, event, more, progress))
    return _report(log, event, objective, sweep, seed)


def with_reserve(policy: AuctionPolicy, event: Billable, reserve_micros: int) -> AuctionPolicy:
    """The policy with another reserve of one event; a soft floor below it is raised to it."""
    name = f"{event.name.lower()}_micros"
    plain = policy.model_dump()
    plain["reserve"][name] = reserve_micros
    if plain["soft_floor"] is not None and 0 < plain["soft_floor"][name] < reserve_micros:
        plain["soft_floor"][name] = reserve_micros
    return AuctionPolicy.model_validate(plain)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Sums of what each reserve brings, by group of users."""

    reserves: list[int]
    sums: Float64
    """[BUCKETS, 1 + reserves, METRICS]; the logged policy first."""
    decisions: int
    present: np.ndarray
    policies: dict[str, int]
    """Decisions by the hash of their policy."""

    @classmethod
    def over(cls, log: DecisionLog, event: Billable, tried: list[int], progress: Progress | None) -> "_Sweep":
        sums = np.zeros((BUCKETS, 1 + len(tried), len(METRICS)))
        present = np.zeros(BUCKETS, np.bool_)
        decisions, policies = 0, dict[str, int]()
        for batch in log.decisions(campaigns=False):
            for policy_hash, rows in policy_groups(batch.take(np.flatnonzero(batch.held))):
                own = log.policy(policy_hash)
                group = buckets_of(rows.user_id, rows.request_id)
                present[group] = True
                policies[policy_hash] = policies.get(policy_hash, 0) + len(rows)
                decisions += len(rows)
                for at, reserve in enumerate([None, *tried]):
                    policy = own if reserve is None else with_reserve(own, event, reserve)
                    again = decide_again(rows, policy)
                    np.add.at(sums[:, at], group, expected(rows, again.position, again.price_micros, own))
            if progress is not None:
                progress(len(batch))
        if decisions == 0:
            raise InputError(str(log.folder), "no auction", "give a log with auctions that were held")
        return cls(tried, sums, decisions, present, policies)

    def joined(self, other: "_Sweep") -> "_Sweep":
        """Both, in order of the reserves."""
        reserves = self.reserves + other.reserves
        order = np.argsort(reserves)
        sums = np.concatenate([self.sums[:, 1:], other.sums[:, 1:]], axis=1)[:, order]
        return _Sweep(
            [reserves[at] for at in order],
            np.concatenate([self.sums[:, :1], sums], axis=1),
            self.decisions,
            self.present,
            self.policies,
        )

    def of(self, metric: str) -> Float64:
        """[BUCKETS, 1 + reserves]; `net` besides the metrics."""
        if metric == "net":
            return self.of("revenue") - self.of("organic_displaced")
        name = metric if metric in METRICS else f"{metric}_micros"
        column: Float64 = self.sums[:, :, METRICS.index(name)]
        return column

    def best(self, objective: str, groups: np.ndarray | None = None) -> int:
        """Index of the best reserve; of equal ones the lowest, which sells most."""
        value = self.of(objective)
        totals = (value if groups is None else value[groups]).sum(axis=0)[1:]
        return int(np.argmax(totals))


def _report(
    log: DecisionLog, event: Billable, objective: Objective, sweep: _Sweep, seed: int
) -> ReserveSearch:
    names = ("revenue", "organic_displaced", "net")
    total = {name: sweep.of(name).sum(axis=0) for name in names}
    paired = np.stack([sweep.of(name)[:, 1:] - sweep.of(name)[:, :1] for name in names], axis=2)
    low, high = interval(paired, sweep.present, np.random.default_rng(seed))
    counts = {name: sweep.of(name).sum(axis=0) for name in ("ads_shown", "decisions_with_ads", "clicks")}
    rows = []
    for at, reserve in enumerate(sweep.reserves):
        changes = {
            name: Change(
                total=float(total[name][at + 1]),
                difference=float(total[name][at + 1] - total[name][0]),
                low=end(low[at, k]),
                high=end(high[at, k]),
            )
            for k, name in enumerate(names)
        }
        rows.append(
            ReserveRow(
                reserve_micros=reserve,
                **changes,
                ads_shown=float(counts["ads_shown"][at + 1]),
                fill=float(counts["decisions_with_ads"][at + 1]) / sweep.decisions,
                clicks=float(counts["clicks"][at + 1]),
            )
        )
    best = rows[sweep.best(objective)]
    base = log.policy(max(sweep.policies, key=lambda name: (sweep.policies[name], name)))
    policy = with_reserve(base, event, best.reserve_micros)
    return ReserveSearch(
        log=str(log.folder),
        event=event.name.lower(),
        objective=objective,
        decisions=sweep.decisions,
        logged_revenue_micros=float(total["revenue"][0]),
        logged_organic_displaced_micros=float(total["organic_displaced"][0]),
        logged_fill=float(counts["decisions_with_ads"][0]) / sweep.decisions,
        rows=tuple(rows),
        best=best,
        held_out_gain=_held_out(sweep, objective, seed),
        policy=policy.model_copy(update={"name": f"{base.name}-{event.name.lower()}-reserve"}),
        method=METHOD,
        notes=NOTES,
    )


def _held_out(sweep: _Sweep, objective: Objective, seed: int) -> Change | None:
    """The objective under the reserve that the other half of the users chose, less the logged one."""
    even = np.arange(BUCKETS) % 2 == 0
    halves = (even, ~even)
    if any(not sweep.present[half].any() for half in halves):
        return None
    value = sweep.of(objective)
    chosen = np.empty(BUCKETS)
    for half, other in (halves, halves[::-1]):
        chosen[half] = value[half, 1 + sweep.best(objective, other)]
    gain = chosen - value[:, 0]
    low, high = interval(gain, sweep.present, np.random.default_rng(seed))
    return Change(float(chosen.sum()), float(gain.sum()), end(float(low)), end(float(high)))


def _checked(reserves: Sequence[int]) -> list[int]:
    if not 1 <= len(reserves) <= MOST_RESERVES:
        raise InputError("reserves", f"{len(reserves)} values", f"between 1 and {MOST_RESERVES}")
    for at, value in enumerate(reserves):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not 0 <= value <= BID_LIMIT:
            raise InputError(f"reserves[{at}]", value, "give whole micros, not negative, at most 2**53")
    return sorted({int(value) for value in reserves})


def _grid(bid_micros: np.ndarray) -> list[int]:
    """0, and bids at equal steps of rank: a reserve between two bids is no better than the higher one."""
    steps = np.quantile(bid_micros, np.linspace(0, 0.99, GRID), method="higher")
    return sorted({0, *(int(bid) for bid in steps)})


def _between(sweep: _Sweep, objective: Objective) -> list[int]:
    """More reserves on both sides of the best, up to its neighbours, in equal ratios."""
    at = sweep.best(objective)
    found = set[int]()
    for left, right in ((at - 1, at), (at, at + 1)):
        if left < 0 or right >= len(sweep.reserves):
            continue
        ends = max(sweep.reserves[left], 1), sweep.reserves[right]
        found.update(round(float(value)) for value in np.geomspace(*ends, REFINED // 2 + 2)[1:-1])
    return sorted(found - set(sweep.reserves))
