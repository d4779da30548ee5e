from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adsrank.data.builtin import generate
from adsrank.data.draw import text_key
from adsrank.data.visit import MICROS, MOST_RECENT, describe, plan
from adsrank.data.world import TIME_SPAN
from auction.errors import InputError

START = datetime(2026, 1, 19, tzinfo=UTC)


def test_visits_lie_in_the_stretch_in_order_of_time(world) -> None:
    for hours, count in ((24.0, 3000), (0.01, 500), (30.5, 1)):
        visits = plan(world, 5, START, hours, count)
        assert len(visits) == count
        assert (np.diff(visits.time) >= 0).all()
        assert visits.time[0] >= START.timestamp() * MICROS
        assert visits.time[-1] < (START + timedelta(hours=hours)).timestamp() * MICROS


def test_request_ids_are_unique_and_differ_between_stretches(world) -> None:
    first = plan(world, 5, START, 24, 2000)
    next_day = plan(world, 5, START + timedelta(days=1), 24, 2000)
    ids = np.concatenate([first.request_id, next_day.request_id])
    assert len(np.unique(ids)) == 4000 == len(np.unique(text_key(ids)))


def test_equal_arguments_give_equal_visits(world) -> None:
    first, again, other = (plan(world, seed, START, 24, 500) for seed in (5, 5, 6))
    assert (first.request_id == again.request_id).all()
    assert (first.time == again.time).all()
    assert not (first.time == other.time).all()


def test_a_block_is_described_as_the_whole_is(world) -> None:
    visits = plan(world, 5, START, 24, 400)
    whole = describe(world, visits)
    rows = np.random.default_rng(0).permutation(400)[:60]
    block = describe(world, visits[rows])
    for name in ("intent", "weight", "source", "recent", "focus"):
        assert np.array_equal(getattr(block, name), getattr(whole, name)[rows]), name


def test_traffic_follows_the_hours_of_the_users(world) -> None:
    visits = plan(world, 5, START, 24 * 7, 60_000)
    share = np.bincount(visits.hour, minlength=24) / len(visits)
    crowd = np.bincount(world.users.profile, weights=world.users.activity, minlength=len(world.hours))
    np.testing.assert_allclose(share, crowd @ world.hours, atol=0.006)
    by_day = np.bincount(visits.weekday, minlength=7)
    assert by_day[6] > 1.1 * by_day[0]


def test_hour_and_weekday_are_those_of_the_calendar(world) -> None:
    visits = plan(world, 5, START, 24 * 7, 200)
    for k in range(200):
        time = datetime.fromtimestamp(int(visits.time[k]) / MICROS, UTC)
        assert (visits.hour[k], visits.weekday[k]) == (time.hour, time.weekday())


def test_a_user_visits_at_its_own_hours(world) -> None:
    visits = plan(world, 5, START, 24 * 7, 60_000)
    own = world.hours[world.users.profile[visits.user], visits.hour].mean()
    strangers = world.hours[world.users.profile[visits.user[::-1]], visits.hour].mean()
    assert own > 1.1 * strangers


def test_later_pages_drift_away_from_the_first_and_towards_the_second_interest(world) -> None:
    visits = plan(world, 5, START, 24, 6000)
    wants = describe(world, visits)
    first = {int(s): k for k, s in enumerate(visits.session) if visits.page[k] == 0}
    near, step, toward = [], [], []
    for k in np.flatnonzero(visits.page > 0):
        before = wants.intent[first[int(visits.session[k])], 0]
        near.append(float(wants.intent[k, 0] @ before))
        step.append(int(visits.page[k]))
        second = world.users.interest_vector[wants.second[k]]
        toward.append(float(wants.intent[k, 0] @ second - before @ second))
    near_array, steps = np.array(near), np.array(step)
    assert 0.6 < near_array[steps == 2].mean() < near_array[steps == 1].mean() < 0.99
    assert np.mean(toward) > 0.05


def test_there_are_one_to_four_intents_and_the_first_is_the_pages_own(world) -> None:
    visits = plan(world, 5, START, 24, 3000)
    wants = describe(world, visits)
    count = (wants.weight > 0).sum(axis=1)
    assert set(count.tolist()) == {1, 2, 3, 4}
    assert (wants.weight[:, 0] == 1.0).all()
    assert np.array_equal(wants.source[:, 0], np.array([0, 2, 3])[visits.surface])
    lengths = np.linalg.norm(wants.intent, axis=2)
    np.testing.assert_allclose(lengths[wants.weight > 0], 1.0, atol=1e-5)
    assert (lengths[wants.weight == 0] == 0).all()


def test_recent_interests_know_nothing_of_the_future(world) -> None:
    """The history is cut in the middle: only actions before the visit may be seen."""
    start = datetime.fromtimestamp(world.epoch, UTC) - timedelta(days=15)
    visits = plan(world, 5, start, 24, 800)
    recent = describe(world, visits).recent
    key = world.action_key
    checked = 0
    for k in np.flatnonzero(visits.page == 0):
        low = np.searchsorted(key, visits.user[k] * TIME_SPAN)
        high = np.searchsorted(key, visits.user[k] * TIME_SPAN + int(visits.time[k]) // MICROS)
        expect = world.pins.interest[world.users.action_pin[low:high]][-MOST_RECENT:].tolist()
        assert recent[k][recent[k] > 0].tolist() == expect
        checked += len(expect) < MOST_RECENT
    assert checked > 50


def test_a_sessions_own_actions_are_the_newest(world) -> None:
    visits = plan(world, 5, START, 24, 3000)
    wants = describe(world, visits)
    later = np.flatnonzero(visits.page == 2)
    focus = world.users.interest[wants.focus[later]]
    second = world.users.interest[wants.second[later]]
    newest = wants.recent[later][:, -6:]
    assert ((newest == focus[:, None]) | (newest == second[:, None])).all()
    assert (newest == focus[:, None]).mean() > 0.7


def test_users_with_one_interest_have_visits_too() -> None:
    world = generate(1, users=3, pins=5)
    wants = describe(world, plan(world, 1, START, 24, 50))
    assert ((wants.weight > 0).sum(axis=1) >= 1).all()


@pytest.mark.parametrize(
    ("hours", "count", "field"),
    [(0, 5, "hours"), (-1, 5, "hours"), (float("nan"), 5, "hours"), (1, 0, "count")],
)
def test_a_stretch_of_nothing_is_refused(world, hours: float, count: int, field: str) -> None:
    with pytest.raises(InputError, match=field):
        plan(world, 1, START, hours, count)
