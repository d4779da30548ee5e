"""A campaign's day: a calendar day in the account's time zone, 23 and 25 hours included."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from auction.errors import InputError

LIFETIME = "lifetime"
"""Stands where a day's name stands, for the budget of the campaign's whole life."""

MAX_TIME_S = 60e9
"""About the years 68 to 3871: far from where calendars end."""


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError("zone", name, "give an IANA time zone such as 'America/New_York'") from None


def _midnight(day: date, zone: ZoneInfo) -> float:
    # In a zone whose clocks jump forward at midnight, fold=0 reads the missing 00:00 with the old
    # offset, which is the instant of the jump: the first instant of that day.
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _local_date(time: float | datetime, zone: str) -> date:
    place = _zone(zone)
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise InputError("time", time, "give a time with its offset (UTC)")
        return time.astimezone(place).date()
    if not -MAX_TIME_S <= time <= MAX_TIME_S:  # False for a NaN.
        raise InputError("time", time, "give UTC seconds since 1970-01-01")
    return datetime.fromtimestamp(time, place).date()


def day_of(time: float | datetime, zone: str) -> str:
    """The ISO date of `time` (UTC seconds, or an aware datetime) on the wall calendar of `zone`.

    Raises:
        InputError: unknown zone, or a time that is not one.
    """
    return _local_date(time, zone).isoformat()


@dataclass(frozen=True, slots=True)
class Day:
    """One calendar day of a time zone as the instants it covers: start <= time < end, UTC seconds."""

    name: str
    """ISO date, such as ``2026-03-29``."""
    zone: str
    start: float
    end: float

    @classmethod
    def at(cls, time: float | datetime, zone: str) -> "Day":
        """The day that `time` falls on in `zone`; raises InputError as `day_of` does."""
        today = _local_date(time, zone)
        return _bounds(today, zone)

    @property
    def seconds(self) -> float:
        """82,800, 86,400 or 90,000 in most zones."""
        return self.end - self.start

    def __contains__(self, time: float) -> bool:
        return self.start <= time < self.end

    def fraction(self, time: float) -> float:
        """Share of the day that has passed at `time`, 0 before it and 1 after it."""
        return min(1.0, max(0.0, (time - self.start) / self.seconds))

    def hour(self, time: float) -> int:
        """The hour 0..23 on the wall clock at `time`."""
        return datetime.fromtimestamp(time, UTC).astimezone(_zone(self.zone)).hour


@lru_cache(maxsize=4096)
def _bounds(today: date, zone: str) -> Day:
    place = _zone(zone)
    start = _midnight(today, place)
    end = _midnight(today + timedelta(days=1), place)
    return Day(today.isoformat(), zone, start, end)
