"""How often a user has met a campaign: the caps that keep an ad from becoming a nuisance."""

import threading
from array import array
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auction.billable import Billable
from auction.errors import InputError
from auction.slate import Int8, Int64

DAY_S = 86_400.0
MAX_INTERVAL_DAYS = 90
MAX_FREQUENCY = 1000
MAX_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class FrequencyCap:
    """At most `max_frequency` events of one type per user in any `interval_days` times 24 hours.

    Raises:
        InputError: an interval outside 1..90 days or a frequency outside 1..1000.
    """

    event: Billable = Billable.IMPRESSION
    interval_days: int = 1
    max_frequency: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.interval_days <= MAX_INTERVAL_DAYS:
            raise InputError("interval_days", self.interval_days, f"give 1 to {MAX_INTERVAL_DAYS}")
        if not 1 <= self.max_frequency <= MAX_FREQUENCY:
            raise InputError("max_frequency", self.max_frequency, f"give 1 to {MAX_FREQUENCY}")


@dataclass(frozen=True, slots=True)
class FrequencyCaps:
    """Columns of caps, one row a candidate; `max_frequency` 0 means no cap."""

    event: Int8
    """`Billable` codes, int8 [n]."""
    interval_days: Int64
    max_frequency: Int64

    @classmethod
    def of(cls, caps: Sequence[FrequencyCap | None]) -> "FrequencyCaps":
        """Columns from one cap (or None) a candidate."""
        return cls(
            np.asarray([0 if cap is None else cap.event for cap in caps], np.int8),
            np.asarray([0 if cap is None else cap.interval_days for cap in caps], np.int64),
            np.asarray([0 if cap is None else cap.max_frequency for cap in caps], np.int64),
        )

    def __len__(self) -> int:
        return len(self.max_frequency)


Times = array  # of "d": sorted UTC seconds


class FrequencyCounter:
    """Times at which each user met each campaign, per event type, in bounded memory.

    Impressions are noted when an ad is placed, clicks and conversions when their event arrives. When
    more than `max_times` are held, the users seen least recently are forgotten first: a forgotten
    user's caps start anew, which is the price of the bound. Safe to use from several threads.
    """

    def __init__(self, max_times: int = 1_000_000) -> None:
        if max_times < 1:
            raise InputError("max_times", max_times, "give 1 or more")
        self.max_times = max_times
        self._users: OrderedDict[str, dict[tuple[int, int], Times[float]]] = OrderedDict()
        self._size = 0
        self._once: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Times held."""
        return self._size

    def note(
        self,
        user_id: str,
        campaign_id: int,
        now: float,
        event: Billable = Billable.IMPRESSION,
        once: str | None = None,
    ) -> None:
        """The user met the campaign at `now` (UTC seconds); times may come in any order.

        `once` names the meeting: noted again under the same name (a request that is retried), it does
        not count again while the name is among the last `MAX_ONCE`.
        """
        with self._lock:
            if once is not None:
                if once in self._once:
                    return
                self._once[once] = None
                if len(self._once) > MAX_ONCE:
                    self._once.popitem(last=False)
            seen = self._users.setdefault(user_id, {})
            self._users.move_to_end(user_id)
            times = seen.setdefault((int(campaign_id), int(event)), array("d"))
            insort(times, now)
            self._size += 1
            stale = bisect_right(times, times[-1] - MAX_INTERVAL_DAYS * DAY_S)
            stale = max(stale, len(times) - MAX_FREQUENCY)
            if stale:
                del times[:stale]
                self._size -= stale
            self._forget()

    def _forget(self) -> None:
        while self._size > self.max_times:
            user_id, seen = next(iter(self._users.items()))
            if len(self._users) > 1:
                del self._users[user_id]
                self._size -= sum(len(times) for times in seen.values())
            else:  # One user alone fills the memory: the oldest time goes.
                key = min(seen, key=lambda each: (seen[each][0], each))
                del seen[key][0]
                self._size -= 1
                if not seen[key]:
                    del seen[key]

    def exceeded(
        self, user_id: str, campaign_ids: Int64, caps: FrequencyCaps, now: float
    ) -> npt.NDArray[np.bool_]:
        """Whether one more event would pass the cap, bool [n], for campaigns int64 [n].

        An event exactly one interval ago no longer counts; one noted after `now` (a clock that runs
        behind) does.

        Raises:
            InputError: columns of different lengths.
        """
        if len(caps) != len(campaign_ids):
            raise InputError("caps", len(caps), f"give one cap for each of {len(campaign_ids)} campaigns")
        mask = np.zeros(len(campaign_ids), np.bool_)
        with self._lock:
            seen = self._users.get(user_id)
            if not seen:
                return mask
            known = np.fromiter({campaign for campaign, _ in seen}, np.int64)
            rows = np.flatnonzero((caps.max_frequency > 0) & np.isin(campaign_ids, known))
            for row in rows.tolist():
                times = seen.get((int(campaign_ids[row]), int(caps.event[row])))
                if times is not None:
                    since = bisect_right(times, now - float(caps.interval_days[row]) * DAY_S)
                    mask[row] = len(times) - since >= int(caps.max_frequency[row])
        return mask

    def forget(self, user_id: str) -> None:
        """Drop everything held about a user (a deleted account)."""
        with self._lock:
            seen = self._users.pop(user_id, {})
            self._size -= sum(len(times) for times in seen.values())
