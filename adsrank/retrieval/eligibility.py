"""The ads that may be shown for a request at all, and why the others may not."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from adsrank.candidates import Departure
from adsrank.catalog.snapshot import Snapshot
from adsrank.request import AdRequest
from adsrank.retrieval.bitmap import Bits, Int64, count, pack, rows_of, without
from adsrank.retrieval.targeting import TargetingIndex
from auction.reason import Reason

STAGE = "retrieve"
SCHEDULES_KEPT = 64


@dataclass(frozen=True, slots=True)
class Allowed:
    """Rows that passed every filter, and how many each filter took of what the one before left."""

    bits: Bits
    filtered: dict[Reason, int]
    departures: list[Departure] = field(default_factory=list)
    """The rows themselves; only where they were asked for."""


class Eligibility:
    """Filters in order: status, policy, schedule, targeting, the user's own controls.

    They hold before the search and not after it: a filter on the answer would empty narrow slates.
    """

    def __init__(self, snapshot: Snapshot, targeting: TargetingIndex) -> None:
        self._snapshot = snapshot
        self._targeting = targeting
        # The set of running schedules changes only at these seconds: it is made once for each interval.
        self._boundaries = np.unique(np.concatenate([snapshot.starts_at, snapshot.ends_at]))
        self._running = lru_cache(SCHEDULES_KEPT)(self._filter_by_schedule)
        by_advertiser = np.argsort(snapshot.advertiser_id, kind="stable")
        self._by_advertiser = by_advertiser
        self._advertisers = snapshot.advertiser_id[by_advertiser]

    def allowed(self, request: AdRequest, now: float, explain: bool = False) -> Allowed:
        """Ads that may be shown for `request` at `now` (epoch seconds).

        With `explain` the rows that left are listed by reason, which costs more than the search.
        """
        interval = int(np.searchsorted(self._boundaries, int(now // 1), side="right"))
        steps = [*self._running(interval)]
        last = steps[-1][1]
        steps.append((Reason.TARGETING, last & self._targeting.allowed(request)))
        steps.append((Reason.USER_CONTROL, self._without_blocked(request, steps[-1][1])))
        filtered: dict[Reason, int] = {}
        departures = []
        before, left = None, len(self._snapshot)
        for reason, bits in steps:
            now_left = left if bits is before else count(bits)
            filtered[reason] = left - now_left
            if explain and now_left < left:
                gone = ~bits if before is None else before & ~bits
                rows = rows_of(gone, len(self._snapshot))
                departures.append(Departure(STAGE, reason, rows))
            before, left = bits, now_left
        return Allowed(steps[-1][1], filtered, departures)

    def _filter_by_schedule(self, interval: int) -> tuple[tuple[Reason, Bits], ...]:
        snapshot = self._snapshot
        moment = self._boundaries[interval - 1] if interval else np.iinfo(np.int64).min
        status = pack(snapshot.status_active)
        policy = status & pack(snapshot.policy_clear)
        running = policy & pack((snapshot.starts_at <= moment) & (moment < snapshot.ends_at))
        return (Reason.STATUS, status), (Reason.POLICY, policy), (Reason.SCHEDULE, running)

    def _without_blocked(self, request: AdRequest, bits: Bits) -> Bits:
        if not request.hidden_ads and not request.blocked_advertisers:
            return bits
        rows = [self._snapshot.rows_of(request.hidden_ads)]
        rows += [self._rows_of_advertiser(id) for id in request.blocked_advertisers]
        return without(bits, np.concatenate(rows))

    def _rows_of_advertiser(self, advertiser_id: int) -> Int64:
        if not 0 < advertiser_id < 2**63:
            return np.zeros(0, np.int64)
        start, end = np.searchsorted(self._advertisers, [advertiser_id, advertiser_id + 1])
        return self._by_advertiser[start:end]
