"""What another policy would have changed, over the slates of a log."""

from pathlib import Path

import numpy as np

from auction.batch import OutcomeBatch
from auction.cores import count_cores
from auction.errors import InputError
from auction.log.decisions import Decisions
from auction.log.reader import DecisionLog
from auction.policy import AuctionPolicy
from auction.replay.again import decide_again, policy_groups
from auction.replay.bootstrap import BUCKETS, METHOD, buckets_of, interval
from auction.replay.expected import METRICS, expected
from auction.replay.interval import end
from auction.replay.replay import Progress
from auction.replay.report import Estimate, PolicyComparison

NOTES = (
    "Candidates that were cut before the auction (retrieval, targeting, first-stage ranker, budget, pacing, "
    "frequency) are not in the slates: a policy that would have let them in is not credited with them.",
    "Pacing multipliers and budgets are as logged: spend that shifts between campaigns does not move them.",
    "Clicks, conversions and values are the logged model's expectations, not observed events; bidders do "
    "not react to the other policy.",
    "Both policies are measured with the logged policy's exposure curve, exchange rate and quality values.",
)


def compare(
    log: DecisionLog | str | Path,
    policy: AuctionPolicy,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    cores: int | None = 1,
) -> PolicyComparison:
    """Decide every logged slate under its own policy and under `policy`, and sum up what each brings.

    Args:
        log: the log, or its folder.
        policy: the other policy; where its exposure is null, each decision takes the logged one.
        seed: of the bootstrap's resamples.
        progress: called as decisions are done.
        cores: threads that decide; None for every core. The numbers do not depend on it.

    Raises:
        InputError: an unreadable log (names the file), a log without any auction, or `cores` below 1.
    """
    threads = count_cores(cores)
    log = log if isinstance(log, DecisionLog) else DecisionLog(log)
    # [group, (logged, other), metric]
    sums = np.zeros((BUCKETS, 2, len(METRICS)))
    present = np.zeros(BUCKETS, np.bool_)
    decisions = changed = 0
    for batch in log.decisions(campaigns=False):
        for policy_hash, rows in policy_groups(batch.take(np.flatnonzero(batch.held))):
            own = log.policy(policy_hash)
            other = with_exposure(policy, own)
            before, after = (decide_again(rows, one, threads) for one in (own, other))
            group = buckets_of(rows.user_id, rows.request_id)
            present[group] = True
            np.add.at(sums[:, 0], group, expected(rows, before.position, before.price_micros, own))
            np.add.at(sums[:, 1], group, expected(rows, after.position, after.price_micros, own))
            decisions += len(rows)
            changed += _changed(rows, before, after)
        if progress is not None:
            progress(len(batch))
    if decisions == 0:
        raise InputError(
            str(log.folder), "no auction", "give a log with decisions in which an auction was held"
        )
    totals = sums.sum(axis=0)
    low, high = interval(sums[:, 1] - sums[:, 0], present, np.random.default_rng(seed))
    estimates = tuple(
        _estimate(name, totals[0, at], totals[1, at], low[at], high[at]) for at, name in enumerate(METRICS)
    )
    with_ads = totals[:, METRICS.index("decisions_with_ads")] / decisions
    return PolicyComparison(
        log=str(log.folder),
        policy=policy.name,
        policy_hash=policy.hash,
        decisions=decisions,
        changed=changed,
        estimates=estimates,
        fill=(float(with_ads[0]), float(with_ads[1])),
        method=METHOD,
        notes=NOTES,
    )


def with_exposure(policy: AuctionPolicy, logged: AuctionPolicy) -> AuctionPolicy:
    """The policy, with the logged exposure where it leaves its own open."""
    return policy if policy.exposure is not None else policy.model_copy(update={"exposure": logged.exposure})


def _changed(rows: Decisions, before: OutcomeBatch, after: OutcomeBatch) -> int:
    unequal = (before.position != after.position) | (before.price_micros != after.price_micros)
    return int(np.count_nonzero(rows.count(unequal)))


def _estimate(name: str, logged: float, other: float, low: float, high: float) -> Estimate:
    return Estimate(
        metric=name,
        logged=float(logged),
        other=float(other),
        difference=float(other - logged),
        low=end(low),
        high=end(high),
        relative=float((other - logged) / logged) if logged else None,
    )
