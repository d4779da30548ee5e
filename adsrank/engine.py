"""The decision core: one request in, one feed with prices out.

Serving, replay and simulation share it. It needs no Ray, no database and no clock of its own: what
it decides follows from the request, the release and the budgets it is given.
"""

from time import perf_counter

import numpy as np
import structlog

from adsrank.compose import compose
from adsrank.decision import Decision, PlacedAd, StageReport
from adsrank.errors import DeadlineExceeded
from adsrank.features.columns import request_columns
from adsrank.passage import Passage
from adsrank.release import Release
from adsrank.request import AdRequest
from adsrank.settings import EngineSettings
from adsrank.stage import Stage, run_stage
from adsrank.stages.auction import Auction
from adsrank.stages.bid import Bid
from adsrank.stages.calibrate import Calibrate
from adsrank.stages.filter import Filter
from adsrank.stages.prerank import Prerank
from adsrank.stages.rank import Rank
from adsrank.stages.reserve import Reserve
from adsrank.stages.retrieve import Retrieve
from auction.auction import hold_auction
from auction.budget import Budgets
from auction.errors import AuctionError
from auction.frequency import FrequencyCounter
from auction.outcome import Outcome
from auction.reason import Reason
from auction.slate import Slate

log = structlog.get_logger()


class Engine:
    """Decides requests with the release it holds; `swap` replaces the release between two requests."""

    def __init__(
        self,
        release: Release,
        budgets: Budgets,
        frequency: FrequencyCounter,
        settings: EngineSettings | None = None,
    ) -> None:
        self.settings = settings or EngineSettings()
        self._budgets = budgets
        self.stages: list[Stage] = [
            Retrieve(),
            Filter(budgets, frequency),
            Prerank(self.settings.rank),
            Rank(),
            Calibrate(),
            Bid(),
            Auction(),
            Reserve(budgets, frequency, self.settings.hold_seconds),
        ]
        self.swap(release)

    def swap(self, release: Release) -> None:
        """Serve another release from the next request on. One assignment, so never half of it."""
        self._current = (release, release.resolved_policy)

    @property
    def release(self) -> Release:
        return self._current[0]

    def decide(self, request: AdRequest) -> Decision:
        """Retrieve, filter, prerank, rank, calibrate, bid, lay out and price, reserve.

        Never raises for a fault of an ad stage: the organic feed is answered, unchanged, and
        `Decision.degraded` says why.
        """
        passage = self._begin(request)
        try:
            for stage in self.stages:
                run_stage(stage, passage)
        except DeadlineExceeded:
            self._fall_back(passage, "deadline")
        except Exception as fault:
            name = passage.reports[-1].name if passage.reports else "start"
            log.error("stage_failed", stage=name, request_id=request.request_id, error=repr(fault))
            self._fall_back(passage, f"fault:{name}")
        return compose(passage)

    def _begin(self, request: AdRequest) -> Passage:
        release, policy = self._current
        limit = request.deadline_ms or self.settings.deadline_ms
        return Passage(
            request=request,
            release=release,
            policy=policy,
            now=request.time.timestamp(),
            asked=request_columns(request),
            deadline=perf_counter() + limit / 1e3,
        )

    def _fall_back(self, passage: Passage, why: str) -> None:
        """The organic feed: the auction without an ad, which replays like any other."""
        passage.degraded = why
        self._release(passage.placed)
        passage.placed = []
        came = len(passage.candidates)
        reason = Reason.DEADLINE if why == "deadline" else Reason.FAULT
        passage.candidates.keep(np.zeros(came, bool), reason, "fallback")
        passage.reports.append(StageReport("fallback", came, 0, 0.0, {reason: came} if came else {}))
        organic = passage.request.organic
        passage.slate = Slate.organic(
            passage.request.seed,
            np.array([item.utility for item in organic], np.float64),
            np.array([item.grade for item in organic], np.int8),
            passage.request.positions_since_ad,
            passage.request.hold(passage.policy.rules.max_ads),
        )
        try:
            passage.outcome = hold_auction(passage.slate, passage.policy)
        except AuctionError:  # utilities that no policy can weigh: nothing to decide again
            passage.held = False
            passage.outcome = Outcome.empty()

    def withdraw(self, decision: Decision) -> None:
        """Give back what `decision` holds: its ads will not be shown after all."""
        self._release(decision.ads)

    def _release(self, ads: list[PlacedAd]) -> None:
        for ad in ads:
            self._budgets.release(ad.placement_id)
