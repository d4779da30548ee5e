"""How a day's budget should be spent over the day."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from auction.day import Day
from auction.errors import InputError

HOURS = 24
CELL_S = 900.0
"""Offsets of today's zones are whole quarters of an hour, so an hour's share never splits a cell."""


class TargetCurve:
    """Share of the day's budget that should be spent by an instant: 0 at its start, 1 at its end.

    Uniform in time unless `hourly_share` says how traffic spreads over the 24 wall-clock hours
    (any non-negative weights). On a day of 23 or 25 hours the hours that exist are used as often as
    they occur and the shares are normalised again, so the curve always ends at 1.

    A campaign that ends before its day does (`end`, UTC seconds) has its curve at 1 by then.

    Raises:
        InputError: not 24 weights, a negative or non-finite one, or all zero.
    """

    def __init__(
        self, day: Day, hourly_share: Sequence[float] | None = None, end: float | None = None
    ) -> None:
        self.day = day
        self.end = day.end if end is None or not day.start < end < day.end else end
        self._times: list[float] = []
        self._shares: list[float] = []
        if hourly_share is not None:
            self._shape(check_shares(hourly_share))

    def _shape(self, shares: Sequence[float]) -> None:
        day = self.day
        times = [day.start]
        while times[-1] < self.end:
            times.append(min(times[-1] + CELL_S, self.end))
        weights = [shares[day.hour(begin)] * (end - begin) for begin, end in pairwise(times)]
        total = sum(weights)
        if total <= 0:  # The only hours with traffic are ones that this short day does not have.
            return
        self._times = times
        self._shares = [0.0, *(min(1.0, part / total) for part in accumulate(weights))]
        self._shares[-1] = 1.0

    @property
    def seconds(self) -> float:
        """From the day's start to where the curve is 1."""
        return self.end - self.day.start

    def share(self, time: float) -> float:
        """Cumulative share at `time` (UTC seconds), never decreasing."""
        if time <= self.day.start:
            return 0.0
        if time >= self.end:
            return 1.0
        if not self._times:
            return (time - self.day.start) / self.seconds
        cell = bisect_right(self._times, time) - 1
        begin, end = self._times[cell], self._times[cell + 1]
        low, high = self._shares[cell], self._shares[cell + 1]
        return low + (high - low) * (time - begin) / (end - begin)


def check_shares(hourly_share: Sequence[float]) -> Sequence[float]:
    """The 24 weights themselves; raises InputError where they are not usable."""
    if len(hourly_share) != HOURS:
        raise InputError("hourly_share", len(hourly_share), "give 24 weights, one an hour")
    for hour, share in enumerate(hourly_share):
        if not 0.0 <= share < float("inf"):
            raise InputError(f"hourly_share[{hour}]", share, "give a finite weight of 0 or more")
    if sum(hourly_share) <= 0:
        raise InputError("hourly_share", list(hourly_share), "at least one hour must have traffic")
    return hourly_share
