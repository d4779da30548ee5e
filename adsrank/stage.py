"""The stage protocol, and the one runner that times, counts and bounds every stage."""

from time import perf_counter
from typing import Protocol

import numpy as np

from adsrank.decision import StageReport
from adsrank.errors import DeadlineExceeded
from adsrank.passage import Passage
from auction.outcome import Outcome
from auction.reason import Reason


class Stage(Protocol):
    """One step of a decision: a name, a switch and one verb."""

    @property
    def name(self) -> str: ...

    def enabled(self, passage: Passage) -> bool:
        """Whether the stage has anything to do for this request."""

    def run(self, passage: Passage) -> None:
        """Do the step. An ad leaves only through `Candidates.keep` or with an auction's reason."""


def run_stage(stage: Stage, passage: Passage) -> None:
    """Run one stage: time it, count what came and left, and hold it to the request's deadline.

    Raises:
        DeadlineExceeded: the deadline has passed before the stage began. The last one, which holds
            money, is never cut short: its answer is decided.
    """
    if not stage.enabled(passage):
        return
    begin = perf_counter()
    if begin > passage.deadline:
        raise DeadlineExceeded(f"before {stage.name}")
    before, came, departed = passage.candidates, len(passage.candidates), len(passage.candidates.departures)
    undecided = passage.outcome is None
    try:
        stage.run(passage)
    finally:
        # Ads that targeting, status and the like keep out of the search are counted, not listed.
        filtered = passage.candidates.filtered if passage.candidates is not before else {}
        left = {reason: count for reason, count in filtered.items() if count}
        for departure in passage.candidates.departures[departed:]:
            left[departure.reason] = left.get(departure.reason, 0) + len(departure.row)
        went = len(passage.candidates)
        if undecided and passage.outcome is not None:
            # The losers stay in the slate, which is logged whole; here they count as gone.
            left |= losses(passage.outcome)
            went = int(np.count_nonzero(passage.outcome.position))
        end = perf_counter()
        passage.reports.append(StageReport(stage.name, came, went, (end - begin) * 1e3, left))


def losses(outcome: Outcome) -> dict[Reason, int]:
    """Ads of the slate that are not shown, by reason."""
    counts = np.bincount(outcome.reason, minlength=1).tolist()
    return {Reason(code): count for code, count in enumerate(counts) if count and code != Reason.SHOWN}


def strongest(score: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` greatest scores; equal ones in row order, NaN last. [n] -> bool [n]."""
    mask = np.zeros(len(score), bool)
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")
    mask[order[:count]] = True
    return mask
