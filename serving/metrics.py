"""What the server counts, in Prometheus' text format, added up over its replicas."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from adsrank.decision import Decision
from auction.reason import Reason
from serving.metrics_folder import FOLDER_VARIABLE

SECONDS = (0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1, 0.25, 1.0)
STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.25)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One set of counters a process. No label takes its values from a caller's free text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, histogram, gauge = self._counter, self._histogram, self._gauge
        self.requests = counter("requests", "Feed requests answered.", "surface", "degraded")
        self.latency = histogram(
            "request_seconds", "From the parsed request to the answer.", SECONDS, "surface"
        )
        self.stage = histogram("stage_seconds", "Time of one stage.", STAGE_SECONDS, "stage")
        self.left = counter("candidates_left", "Candidates that are not in the feed.", "reason")
        self.ads = counter("ads_shown", "Ads placed.", "surface")
        self.reserved = counter("reserved_micros", "Expected charges of the placements.")
        self.charged = counter("charged_micros", "Charges of the events.")
        self.events = counter("events", "Events answered.", "status")
        self.unknown = counter("unknown_fields", "Request fields that this version does not know.", "part")
        self.clock = counter("clock_skew", "Requests whose own time was replaced by the server's.")
        self.problems = counter("problems", "Requests refused.", "code")
        self.log_dropped = counter("log_dropped", "Decision records lost because the log's queue was full.")
        self.log_failed = counter("log_failures", "Flushes of the decision log that failed.")
        self.swaps = counter("swaps", "Catalog or bundle changes taken over.", "part", "outcome")
        self.ledger = gauge("ledger_up", "1 while paid ads can be promised.", "min")
        self.log_queue = gauge("log_queue", "Decision records not yet written.", "livesum")

    def observe(self, decision: Decision, surface: str, seconds: float) -> None:
        """Count one decision."""
        self.requests.labels(surface, decision.degraded or "no").inc()
        self.latency.labels(surface).observe(seconds)
        for stage in decision.stages:
            self.stage.labels(stage.name).observe(stage.milliseconds / 1e3)
        for reason, count in decision.reasons().items():
            if count and reason is not Reason.SHOWN:
                self.left.labels(reason.label).inc(count)
        ads = decision.ads
        if ads:
            self.ads.labels(surface).inc(len(ads))
            self.reserved.inc(sum(ad.expected_charge_micros for ad in ads))

    def text(self) -> bytes:
        """The exposition: of all replicas where they share a folder, else of this process."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"adsrank_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"adsrank_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _gauge(self, name: str, text: str, mode: str) -> Gauge:
        return Gauge(f"adsrank_{name}", text, registry=self.registry, multiprocess_mode=mode)  # type: ignore[arg-type]
