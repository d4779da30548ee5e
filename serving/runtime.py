"""Everything one replica needs, in one process and without Ray: requests in, answers out."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import structlog
from pydantic import TypeAdapter

from adsrank.decision import Decision
from adsrank.engine import Engine
from adsrank.request import AdRequest, in_utc
from auction.budget import LeasedBudgets
from auction.errors import InputError
from auction.log.part import LogError
from auction.log.writer import LogWriter
from serving.answer import organic_only, render
from serving.clock import TrafficClock
from serving.event_log import EventLog
from serving.events import EventIngest, EventResult
from serving.gate import Gate
from serving.ledger import Ledger, LedgerUnavailable
from serving.metrics import Metrics
from serving.problem import ledger_unavailable, wrong_field
from serving.refresh import Refresher
from serving.renewer import LeaseRenewer
from serving.settings import ServingSettings
from serving.token import Placement, TokenError, TokenSigner
from serving.warm import warm_up

log = structlog.get_logger()
_TIME = TypeAdapter(datetime)


@dataclass
class Runtime:
    """One replica. `serving.assembly.open_runtime` makes it; `start` and `close` run its threads.

    `feed` and `ingest` may be called from several threads; the doors do so through the two gates.
    """

    settings: ServingSettings
    engine: Engine
    budgets: LeasedBudgets
    ledger: Ledger
    renewer: LeaseRenewer
    events: EventIngest
    event_log: EventLog
    signer: TokenSigner
    log: LogWriter
    refresher: Refresher
    metrics: Metrics = field(default_factory=Metrics)
    traffic: TrafficClock | None = None
    """Set where the time is that of simulated traffic."""

    def __post_init__(self) -> None:
        limits = self.settings.limits
        self.feeds = Gate("feed", self.settings.threads, limits)
        # Settling waits for the disk: on a thread of its own it never holds up a feed.
        self.settlements = Gate("settle", 1, limits)
        self._running = False
        self._closing = threading.Lock()

    # Requests.

    def feed(self, request: AdRequest, waited_s: float = 0.0, explain: bool = False) -> dict[str, Any]:
        """The answer to one request as `FeedResponse` JSON; `waited_s` counts against its deadline.

        Whatever fails, the organic items come back in their order.

        Raises:
            Refusal: 422, intents that cannot be compared with the ads.
        """
        self._check_space(request)
        begin = perf_counter()
        surface = request.surface.value
        self._count_unknown(request)
        try:
            decision = self.engine.decide(self._in_time(request, waited_s))
            answer = render(decision, self._tokens(decision), explain)
            self.log.append(decision.record)
        except (LogError, TokenError) as error:
            # Money fails closed: an ad that cannot be accounted for or charged is not shown.
            self.engine.withdraw(decision)
            return self._organic(
                request, "fault:log" if isinstance(error, LogError) else "fault:token", error
            )
        except Exception as error:
            return self._organic(request, "fault:answer", error)
        self.metrics.observe(decision, surface, perf_counter() - begin + waited_s)
        return answer

    def ingest(self, events: Sequence[Any]) -> list[EventResult]:
        """Settle events (decoded JSON), each once; one result an event, in their order.

        Raises:
            Refusal: 503 `ledger_unavailable`; nothing was counted, send the same again.
        """
        if self.traffic is not None:
            for told in event_times(events):
                self.traffic.note(told)
        try:
            results = self.events.ingest_raw(events)
        except LedgerUnavailable as error:
            log.error("ledger_unavailable", error=str(error))
            raise ledger_unavailable(self.settings.limits.retry_after_s) from None
        for result in results:
            self.metrics.events.labels(str(result.status)).inc()
            if result.charged_micros:
                self.metrics.charged.inc(result.charged_micros)
        return results

    def _check_space(self, request: AdRequest) -> None:
        snapshot = self.engine.release.snapshot
        asked, space = request.embedding_space, snapshot.embedding_space
        if asked is not None and space is not None and asked != space:
            raise wrong_field("embedding_space", asked, f"this server speaks {space!r}")
        found = len(request.intents[0].embedding) if request.intents else snapshot.dimension
        if snapshot.dimension not in (0, found):
            raise wrong_field(
                "intents[0].embedding", f"{found} numbers", f"give {snapshot.dimension}, of {space!r}"
            )

    def _in_time(self, request: AdRequest, waited_s: float) -> AdRequest:
        change: dict[str, Any] = {}
        told = request.time.timestamp()
        if self.traffic is not None:
            self.traffic.note(told)
        elif abs(told - (now := time.time())) > self.settings.limits.max_clock_skew_s:
            change["time"] = datetime.fromtimestamp(now, UTC)
            self.metrics.clock.inc()
        if waited_s > 0.001:
            limit = request.deadline_ms or self.engine.settings.deadline_ms
            # At least 1 ms, so that the engine itself finds the deadline passed and records it.
            change["deadline_ms"] = max(1, limit - int(waited_s * 1e3))
        return request.model_copy(update=change) if change else request

    def _tokens(self, decision: Decision) -> dict[str, str]:
        issued_at = decision.record.time.timestamp()
        return {
            ad.placement_id: self.signer.encode(
                Placement(
                    placement_id=ad.placement_id,
                    request_id=decision.request_id,
                    ad_id=ad.ad_id,
                    campaign_id=ad.campaign_id,
                    advertiser_id=ad.advertiser_id,
                    day=self.budgets.day(ad.campaign_id),
                    billable=ad.billable,
                    price_micros=ad.price_micros,
                    position=ad.position,
                    issued_at=issued_at,
                    expires_at=issued_at + self.settings.token_ttl_s,
                    destination=ad.destination_url,
                )
            )
            for ad in decision.ads
        }

    def _organic(self, request: AdRequest, why: str, error: Exception) -> dict[str, Any]:
        log.error("feed_degraded", why=why, request_id=request.request_id, error=repr(error))
        self.metrics.requests.labels(request.surface.value, why).inc()
        organic_ids = [item.id for item in request.organic]
        return organic_only(request.request_id, organic_ids, why, request.modules)

    def _count_unknown(self, request: AdRequest) -> None:
        count = self.metrics.unknown
        if request.model_extra:
            count.labels("request").inc(len(request.model_extra))
        parts = (
            ("intents", request.intents),
            ("organic", request.organic),
            ("held", request.held),
            ("recent_actions", request.recent_actions),
        )
        for part, members in parts:
            if unknown := sum(len(member.model_extra or ()) for member in members):
                count.labels(part).inc(unknown)

    # Life.

    def start(self) -> None:
        """Bring the first leases and start the threads that run beside the requests."""
        if self._running:
            return
        warm_up(self.engine)
        self._running = True
        self.renewer.start()
        self.log.start(self.settings.flush_seconds)
        self.event_log.start()
        self.refresher.start()

    def state(self) -> dict[str, Any]:
        """What `/readyz` says: ready means that feeds are answered, with or without ads."""
        release = self.engine.release
        promised = self.budgets.live
        self.metrics.ledger.set(1 if promised else 0)
        self.metrics.log_queue.set(self.log.queued)
        return {
            "ready": self._running,
            "ledger": "up" if promised else "down",
            "policy": release.resolved_policy.hash,
            "bundle": release.bundle.id,
            "snapshot": release.snapshot.version,
            "ads": len(release.snapshot),
        }

    def check(self) -> None:
        """For the supervisor: raises where only a new process can help.

        A ledger that is away, or a log that cannot be written, is no such thing: organic feeds go on.
        """
        if self._running and not self.refresher.alive:
            raise RuntimeError("the refresher has died")

    def close(self) -> None:
        """Finish what is held, stop the threads, write the log and give the leases back."""
        with self._closing:
            if not self._running:
                return
            self._running = False
        self.refresher.stop()
        self.feeds.close()
        self.settlements.close()
        self.renewer.stop()
        self.event_log.close()
        try:
            self.log.close()
        except (LogError, InputError) as error:
            log.error("log_not_written", queued=self.log.queued, error=str(error))
        self.ledger.close()


def event_times(events: Sequence[Any]) -> Iterator[float]:
    """UTC seconds of those decoded events that tell a time; what is no time is left to validation."""
    for event in events:
        told = event.get("time") if isinstance(event, dict) else None
        if told is not None:
            try:
                yield in_utc(_TIME.validate_python(told)).timestamp()
            except ValueError:  # pydantic's errors among them
                continue
