"""Calendar days of time zones, the odd ones included."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auction.day import Day, day_of
from auction.errors import InputError

ZONES = [
    "UTC",
    "America/New_York",
    "America/Sao_Paulo",  # Until 2019 clocks jumped at midnight.
    "America/Havana",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",  # Half an hour of summer time.
    "Pacific/Apia",  # Has no 2011-12-30.
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Europe/Berlin",
]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_day_is_the_wall_calendars_day() -> None:
    assert day_of(at("2026-07-01T03:59:59"), "America/New_York") == "2026-06-30"
    assert day_of(at("2026-07-01T04:00:00"), "America/New_York") == "2026-07-01"
    assert day_of(datetime(2026, 7, 1, 23, 30, tzinfo=UTC), "Asia/Tokyo") == "2026-07-02"


@pytest.mark.parametrize(
    ("time", "hours"), [("2026-03-08T12:00", 23), ("2026-11-01T12:00", 25), ("2026-06-01T12:00", 24)]
)
def test_days_of_23_and_25_hours_have_their_own_length(time: str, hours: int) -> None:
    day = Day.at(at(time), "America/New_York")
    assert day.seconds == hours * 3600
    assert day.fraction(day.start) == 0.0
    assert day.fraction(day.start + day.seconds / 2) == 0.5
    assert day.fraction(day.end) == 1.0
    assert day.fraction(day.end + 1e6) == 1.0


def test_where_midnight_does_not_exist_the_day_starts_with_the_jump() -> None:
    day = Day.at(at("2018-11-04T12:00"), "America/Sao_Paulo")
    assert day.seconds == 23 * 3600
    assert day.start == at("2018-11-04T03:00")
    assert day.hour(day.start) == 1


def test_a_calendar_day_that_a_zone_skipped_is_nobodys_day() -> None:
    before = Day.at(at("2011-12-30T09:59:59"), "Pacific/Apia")
    after = Day.at(before.end, "Pacific/Apia")
    assert (before.name, after.name) == ("2011-12-29", "2011-12-31")


@given(st.floats(0, 2e9), st.sampled_from(ZONES))
def test_days_tile_time_without_gap_or_overlap(time: float, zone: str) -> None:
    day = Day.at(time, zone)
    assert time in day
    assert day.name == day_of(time, zone)
    assert day_of(day.start, zone) == day.name
    assert day_of(day.end - 1e-3, zone) == day.name
    following = Day.at(day.end, zone)
    assert following.start == day.end
    assert following.name > day.name


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime"])
def test_an_unknown_zone_is_refused_by_name(zone: str) -> None:
    with pytest.raises(InputError, match="zone"):
        day_of(0.0, zone)


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e18])
def test_a_time_that_is_none_is_refused(time: float) -> None:
    with pytest.raises(InputError, match="time"):
        day_of(time, "UTC")


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(InputError, match="offset"):
        day_of(datetime(2026, 1, 1), "UTC")
