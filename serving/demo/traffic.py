"""A day of simulated users against a running server: requests in, feeds out, events back."""

import asyncio
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from adsrank.data.outcome import respond
from adsrank.data.truth import Truth
from adsrank.request import AdRequest
from serving.answer import FeedResponse
from serving.client import AsyncAdsClient
from serving.demo.holds import with_holds

EVENT_BATCH = 200
ACCEPTED = ("charged", "recorded", "free")


@dataclass(slots=True)
class Traffic:
    """What the simulated users saw."""

    latency_ms: list[float] = field(default_factory=list)
    with_ads: int = 0
    ads: int = 0
    degraded: Counter[str] = field(default_factory=Counter)
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By type and the server's status."""
    happened: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Placements by the type of an event that the server accepted."""
    charged_micros: int = 0
    sample: tuple[AdRequest, FeedResponse] | None = None
    """An explained feed with the most ads."""


@dataclass(slots=True)
class Drive:
    """Sends requests in the order of their time, `together` at once, and each event when its time comes."""

    client: AsyncAdsClient
    truth: Truth
    together: int = 2
    held_share: float = 0.0
    """Share of the requests whose mixer holds positions."""
    seen: Traffic = field(default_factory=Traffic)
    _waiting: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _number: int = 0

    async def run(self, requests: Iterable[AdRequest], progress: Callable[[int], None]) -> Traffic:
        """Returns when the last event of the last request has been answered."""
        stream = iter(requests)
        done = 0
        while batch := [
            with_holds(request, self.held_share)
            for _, request in zip(range(self.together), stream, strict=False)
        ]:
            await asyncio.gather(*(self._ask(request) for request in batch))
            done += len(batch)
            progress(done)
            await self._deliver(batch[-1].time.timestamp())
        await self._deliver(float("inf"))
        return self.seen

    async def _ask(self, request: AdRequest) -> None:
        explain = len(self.seen.latency_ms) % 20 == 0
        begin = perf_counter()
        response = await self.client.feed(request, explain=explain)
        self.seen.latency_ms.append((perf_counter() - begin) * 1e3)
        self._note(request, response, explain)
        before = request.positions_since_ad
        last = -before if before >= 0 else None
        shown, token = [], {}
        for ad in response.ads:
            shown.append((ad.ad_id, ad.position, 0 if last is None else ad.position - last))
            token[ad.ad_id] = ad.token
            last = ad.position
        for event in respond(self.truth, request, shown):
            self._number += 1
            body = {
                "event_id": f"{request.request_id}/{event['ad_id']}/{event['type']}",
                "token": token[event["ad_id"]],
                "type": event["type"],
                "time": event["time"].isoformat(),
                "value_micros": event["value_micros"],
                "user_id": request.user_id,
            }
            heapq.heappush(self._waiting, (event["time"].timestamp(), self._number, body))

    def _note(self, request: AdRequest, response: FeedResponse, explained: bool) -> None:
        if response.degraded:
            self.seen.degraded[response.degraded] += 1
        self.seen.with_ads += bool(response.ads)
        self.seen.ads += len(response.ads)
        best = self.seen.sample
        if explained and (best is None or len(response.ads) > len(best[1].ads)):
            self.seen.sample = (request, response)

    async def _deliver(self, now: float) -> None:
        """Send the events that have happened by `now`, in batches, some of them twice."""
        while self._waiting and (len(self._waiting) >= EVENT_BATCH or now == float("inf")):
            batch: list[dict[str, Any]] = []
            while self._waiting and len(batch) < EVENT_BATCH and self._waiting[0][0] <= now:
                batch.append(heapq.heappop(self._waiting)[2])
            if not batch:
                return
            # A client that is not sure of an answer sends again: the first ten come twice.
            answer = await self.client.events(batch + batch[:10], timeout_s=30.0)
            for body, result in zip(batch + batch[:10], answer.results, strict=True):
                self.seen.events[body["type"], result.status] += 1
                if result.status in ACCEPTED:
                    self.seen.happened[body["type"]].add(body["event_id"].rpartition("/")[0])
                self.seen.charged_micros += result.charged_micros or 0
