"""Tune exchange rate and ad load on a log: sweep, hull, then halve towards the bound.

For given rules the auction's layout is the feed of greatest ad value + rate * organic utility. So the
exchange rate is itself the dual price of organic value: at every rate the layout is the best of its organic
cost, and the organic value lost falls as the rate rises (each is an exchange argument on two optima). What
is paid is not what is bid, so revenue is measured, policy by policy, and its hull taken.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from auction.blend.ad_load import AdLoad, ad_loads
from auction.blend.bound import Bound
from auction.blend.dual import Choice, choose, frontier_of
from auction.blend.frontier import Frontier
from auction.blend.point import Point
from auction.blend.sample import MEASURED, Sample
from auction.errors import InputError
from auction.log.reader import DecisionLog
from auction.policy import AuctionPolicy
from auction.replay.bootstrap import METHOD, interval
from auction.replay.interval import Interval
from auction.slate import Float64

RATES = (0.125, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0)
"""Exchange rates tried first, as multiples of the current one."""
ROUNDS = 6
"""Halvings towards the bound."""
NEAR = 1.005
"""Two rates nearer than this are one."""
DECISIONS = 2_000

NOTES = (
    "One day's feeds: what a heavier ad load costs later in visits, and lighter brings back, is in no row; "
    "such effects are known to turn the sign of a short test. Bound the organic loss with that in mind.",
    "Clicks, hides and revenue are the logged model's expectations; bidders, budgets and pacing multipliers "
    "do not react.",
    "Organic value is counted in units of organic utility with the logged exposure: the yardstick does not "
    "move with the exchange rate that is tuned.",
    "The exchange rate is the dual price of organic value for what advertisers bid. They pay less than that, "
    "and pay more where organic items set prices, so revenue need not fall as the rate rises.",
    "The point was chosen on the decisions it is measured on: replay it on another day's log before use.",
)

Progress = Callable[[int, int], None]
"""Called with the policies measured, and how many there are to measure."""


def tune_blend(
    log: Sample | DecisionLog | str | Path,
    bound: Bound | None = None,
    *,
    policy: AuctionPolicy | None = None,
    loads: tuple[AdLoad, ...] | None = None,
    rates: tuple[float, ...] = RATES,
    decisions: int = DECISIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Frontier:
    """Measure policies on a log's slates and answer the bound.

    Args:
        log: the log or its folder, or a sample drawn before.
        bound: what must hold; by default no more organic value lost than under the current policy.
        policy: the current policy, which is varied; by default the one most decisions were made under.
        loads: sets of ad-load rules; `ad_loads` of the policy by default. No ads at all is always tried.
        rates: multiples of the policy's exchange rate.
        decisions: about how many decisions to measure on, drawn with `seed`; so are the resamples.

    Raises:
        InputError: an unreadable or empty log, a rate that is not positive, a bound that nothing meets.
    """
    if not rates or not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise InputError("rates", list(rates), "give finite, positive multiples of the exchange rate")
    if decisions < 1:
        raise InputError("decisions", decisions, "measure on at least one")
    if not isinstance(log, Sample):
        log = Sample.of_log(log if isinstance(log, DecisionLog) else DecisionLog(log), decisions, seed)
    sample = log
    current = policy if policy is not None else sample.usual_policy()
    own = AdLoad.of(current)
    sweep = _Sweep(sample, current, progress)
    tried = {min(current.exchange_rate * rate, sweep.most) for rate in (*rates, 1.0)}
    wanted = [(own, current.exchange_rate), (replace(own, max_ads=0), current.exchange_rate)]
    for load in loads if loads is not None else ad_loads(current):
        wanted += [(load, rate) for rate in sorted(tried) if load.max_ads > 0]
    sweep.measure(wanted)
    if bound is None:
        bound = Bound(max_organic_loss=max(0.0, float(sweep.loss[0])))
    elif bound.min_revenue is not None and not sweep.revenue[0] > 0:
        raise InputError("min_revenue", bound.min_revenue, "the current policy earns nothing in this log")
    for _ in range(ROUNDS):
        nearer = _nearer(sweep, choose(sweep.loss, sweep.relative, bound), bound)
        if not nearer:
            break
        sweep.measure(nearer)
    hull = frontier_of(sweep.loss, sweep.relative)
    choice = choose(sweep.loss, sweep.relative, bound)
    notes: tuple[str, ...] = NOTES
    if sample.policies > 1:
        notes += (f"The decisions drawn were made under {sample.policies} policies; one of them is tuned.",)
    if not sample.organic_value.sum() > 0:
        notes += ("The organic items are worth nothing in this log, so nothing of them can be lost.",)
    return Frontier(
        log=sample.log,
        decisions=sample.decisions,
        of=sample.of,
        seed=seed,
        points=sweep.points(hull.tolist(), seed),
        current=0,
        hull=tuple(hull.tolist()),
        bound=bound,
        choice=choice,
        method=METHOD,
        notes=notes,
    )


class _Sweep:
    """Policies measured so far, each once; the current policy is the first."""

    def __init__(self, sample: Sample, current: AuctionPolicy, progress: Progress | None) -> None:
        self.sample, self.current, self.progress = sample, current, progress
        self.most = sample.highest_exchange_rate()
        self.key: list[tuple[AdLoad, float]] = []
        self.sums: list[Float64] = []
        self.organic = float(sample.organic_value.sum())

    def measure(self, wanted: list[tuple[AdLoad, float]]) -> None:
        fresh = [one for one in dict.fromkeys(wanted) if one not in self.key]
        total = len(self.key) + len(fresh)
        for load, rate in fresh:
            self.sums.append(self.sample.measure(load.applied(self.current, rate, self.current.name)))
            self.key.append((load, rate))
            if self.progress is not None:
                self.progress(len(self.key), total)

    def total(self, name: str) -> Float64:
        """[points]"""
        return np.array([sums[:, MEASURED.index(name)].sum() for sums in self.sums])

    @property
    def revenue(self) -> Float64:
        return self.total("revenue_micros")

    @property
    def relative(self) -> Float64:
        """Revenue over the current policy's; over the greatest where that earns nothing."""
        revenue = self.revenue
        unit = revenue[0] if revenue[0] > 0 else revenue.max()
        return revenue / unit if unit > 0 else revenue

    @property
    def loss(self) -> Float64:
        """Share of the organic value; 0 where there is none to lose."""
        lost = self.total("organic_displaced_micros")
        return lost / self.organic if self.organic > 0 else np.zeros(len(lost))

    def points(self, hull: list[int], seed: int) -> tuple[Point, ...]:
        """Every policy with its intervals. Those of the hull are numbered from the least loss."""
        revenue, loss = self.revenue, self.loss
        ads, filled, hides = (self.total(one) for one in ("ads_shown", "decisions_with_ads", "hides"))
        earned, lost = MEASURED.index("revenue_micros"), MEASURED.index("organic_displaced_micros")
        base = float(revenue[0])
        # A ratio's interval by that of its residual, whose total is 0 (Taylor linearisation).
        residual = np.zeros((len(self.sample.organic_value), len(self.key), 2))
        for at, sums in enumerate(self.sums):
            if base > 0:
                residual[:, at, 0] = (sums[:, earned] - revenue[at] / base * self.sums[0][:, earned]) / base
            if self.organic > 0:
                residual[:, at, 1] = (sums[:, lost] - loss[at] * self.sample.organic_value) / self.organic
        low, high = interval(residual, self.sample.present, np.random.default_rng(seed))
        found = []
        for at, (load, rate) in enumerate(self.key):
            name = f"blend-{hull.index(at):02d}" if at in hull else f"measured-{at:03d}"
            change = float(revenue[at]) / base - 1 if base > 0 else None
            found.append(
                Point(
                    policy=load.applied(self.current, rate, self.current.name if at == 0 else name),
                    revenue_micros=float(revenue[at]),
                    revenue_change=change,
                    revenue_interval=_around(change, low[at, 0], high[at, 0]),
                    organic_loss=float(loss[at]),
                    organic_interval=_around(float(loss[at]), low[at, 1], high[at, 1]),
                    ads_per_decision=float(ads[at]) / self.sample.decisions,
                    fill=float(filled[at]) / self.sample.decisions,
                    hides=float(hides[at]),
                )
            )
        return tuple(found)


def _around(centre: float | None, low: float, high: float) -> Interval:
    return Interval(None, None) if centre is None else Interval.of(centre + low, centre + high)


def _nearer(sweep: _Sweep, choice: Choice, bound: Bound) -> list[tuple[AdLoad, float]]:
    """Rates between the points beside the bound and their neighbours towards it, under the same rules.

    A point that holds the bound has room for a lower rate, one that breaks it needs a higher one.
    """
    loss, revenue = sweep.loss, sweep.relative
    found = []
    for end in {choice.low, choice.high, choice.single}:
        load, rate = sweep.key[end]
        room = bound.met(loss[end], revenue[end]) == (bound.max_organic_loss is not None)
        others = [r for one, r in sweep.key if one == load and (r < rate if room else r > rate)]
        if load.max_ads == 0:
            continue
        if not others:  # the sweep's end: go on beyond it
            found.append((load, rate / 2 if room else min(2 * rate, sweep.most)))
            continue
        other = max(others) if room else min(others)
        if max(rate, other) / min(rate, other) > NEAR:
            found.append((load, math.sqrt(rate * other)))
    return found
