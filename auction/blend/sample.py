"""Logged decisions held again under a policy, measured by a yardstick that no policy moves."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auction.bid import VALUE_LIMIT, VALUE_ONE
from auction.errors import InputError
from auction.log.decisions import Decisions
from auction.log.reader import DecisionLog
from auction.policy import AuctionPolicy
from auction.replay.again import decide_again, policy_groups
from auction.replay.bootstrap import BUCKETS, buckets_of
from auction.replay.compare import with_exposure
from auction.replay.expected import METRICS, expected, organic_value
from auction.slate import Float64, Int64

MEASURED = ("revenue_micros", "organic_displaced_micros", "ads_shown", "decisions_with_ads", "hides")
"""What is kept of `auction.replay.expected`'s metrics; the organic value in units of utility, not money."""

_COLUMNS = [METRICS.index(name) for name in MEASURED]


@dataclass(frozen=True, slots=True)
class Part:
    """Decisions of one file that were made under one policy."""

    decisions: Decisions
    policy: AuctionPolicy
    group: Int64
    """[decisions], the bootstrap's group of each."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Decisions of a log, drawn at random."""

    log: str
    parts: tuple[Part, ...]
    decisions: int
    of: int
    """Decisions of the log."""
    policies: int
    """Different policies that the drawn decisions were made under."""
    present: npt.NDArray[np.bool_]
    """[BUCKETS], groups that hold a decision."""
    organic_value: Float64
    """[BUCKETS], utility of the organic items without any ad, seen at the logged exposure."""

    @classmethod
    def of_log(cls, log: DecisionLog, decisions: int, seed: int) -> "Sample":
        """About `decisions` of the log, each drawn with the same chance.

        Raises:
            InputError: an unreadable log, or one without any auction.
        """
        generator = np.random.default_rng(seed)
        length = len(log)
        chance = decisions / max(length, 1)
        parts: list[Part] = []
        present = np.zeros(BUCKETS, np.bool_)
        worth = np.zeros(BUCKETS)
        for batch in log.decisions(campaigns=False):
            taken = batch.held & (generator.random(len(batch)) < chance)
            for policy_hash, rows in policy_groups(batch.take(np.flatnonzero(taken))):
                part = Part(rows, log.policy(policy_hash), buckets_of(rows.user_id, rows.request_id))
                no_ads, nothing = np.zeros(len(rows) + 1, np.int64), np.zeros(0, np.int64)
                np.add.at(worth, part.group, organic_value(rows, yardstick(part.policy), no_ads, nothing))
                present[part.group] = True
                parts.append(part)
        count = sum(len(part.decisions) for part in parts)
        if count == 0:
            raise InputError(
                str(log.folder), "no auction drawn", "give a log with auctions, or draw more decisions"
            )
        hashes = {part.policy.hash for part in parts}
        return cls(str(log.folder), tuple(parts), count, length, len(hashes), present, worth)

    def usual_policy(self) -> AuctionPolicy:
        """The policy that most of the decisions were made under."""
        count: dict[str, int] = {}
        for part in self.parts:
            count[part.policy.hash] = count.get(part.policy.hash, 0) + len(part.decisions)
        most = max(count, key=lambda name: (count[name], name))
        return next(part.policy for part in self.parts if part.policy.hash == most)

    def measure(self, policy: AuctionPolicy) -> Float64:
        """Sums by group, float64 [BUCKETS, len(MEASURED)], of what the policy brings.

        Raises:
            InputError: the auction refuses a slate under the policy.
        """
        sums = np.zeros((BUCKETS, len(MEASURED)))
        for part in self.parts:
            other = with_exposure(policy, part.policy)
            again = decide_again(part.decisions, other)
            found = expected(part.decisions, again.position, again.price_micros, yardstick(part.policy))
            np.add.at(sums, part.group, found[:, _COLUMNS])
        return sums

    def highest_exchange_rate(self) -> float:
        """The greatest at which no organic item's worth leaves the auction's range."""
        utilities = [np.abs(part.decisions.slates.organic_utility).max(initial=0.0) for part in self.parts]
        return 0.99 * VALUE_LIMIT / VALUE_ONE / max(float(max(utilities)), 1e-300)


def yardstick(logged: AuctionPolicy) -> AuctionPolicy:
    """The logged policy counting organic value in units of utility: the rate that is tuned must not also
    be what its result is measured by."""
    return logged.model_copy(update={"exchange_rate": 1.0})
