from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adsrank.data.actions import Actions, pulls, warmth
from adsrank.data.visit import describe, plan
from adsrank.data.world import MICROS, Action
from adsrank.request import MAX_ACTIONS, ActionType

START = datetime(2026, 1, 20, tzinfo=UTC)
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def visits(world):
    return plan(world, 5, START, 24, 3000)


@pytest.fixture(scope="module")
def actions(world, visits) -> Actions:
    return describe(world, visits).actions


def test_the_newest_action_stands_last_and_what_is_not_there_in_front(actions) -> None:
    assert actions.kind.shape == (3000, MAX_ACTIONS)
    there = actions.kind > 0
    assert (np.diff(there.astype(int), axis=1) >= 0).all()
    assert (actions.interest[~there] == 0).all()
    assert (actions.age_us[~there] == 0).all()
    assert (actions.interest[there] > 0).all()
    assert (actions.age_us[there] > 0).all()
    both = there[:, 1:] & there[:, :-1]
    assert (np.diff(actions.age_us, axis=1)[both] <= 0).all()


def test_on_first_pages_they_are_the_users_own_history(world, visits, actions) -> None:
    users, checked = world.users, 0
    for k in np.flatnonzero(visits.page == 0)[:200]:
        mine = slice(*users.action_offset[[visits.user[k], visits.user[k] + 1]])
        there = actions.kind[k] > 0
        stored = users.action_type[mine][-MAX_ACTIONS:]
        names = [ActionType[Action(kind).name].code for kind in stored]
        assert actions.kind[k][there].tolist() == names
        assert actions.interest[k][there].tolist() == world.pins.interest[users.action_pin[mine]].tolist()
        ago = visits.time[k] - users.action_time[mine] * MICROS
        assert actions.age_us[k][there].tolist() == ago.tolist()
        checked += len(names)
    assert checked > 2000


def test_a_sessions_own_actions_fall_within_its_pages_and_some_are_hides(visits, actions) -> None:
    later = np.flatnonzero(visits.page == 2)
    assert (actions.age_us[later][:, -6:] < 40 * MICROS).all()
    assert (actions.age_us[later][:, -7] > 40 * MICROS).all()
    kinds = actions.kind[later][:, -6:]
    assert 0.15 < (kinds == ActionType.HIDE.code).mean() < 0.25
    first = np.flatnonzero(visits.page == 0)
    assert (actions.kind[first] != ActionType.HIDE.code).all()


def test_what_was_done_on_a_page_is_of_the_same_type_on_the_next(visits, actions) -> None:
    session, kinds = visits.session, actions.kind
    second = {session[k]: kinds[k, -3:].tolist() for k in np.flatnonzero(visits.page == 1)}
    for k in np.flatnonzero(visits.page == 2):
        assert kinds[k, -6:-3].tolist() == second[session[k]]


def test_warmth_knows_type_and_recency() -> None:
    def of(*done: tuple[ActionType, float]) -> float:
        kind = np.array([each.code for each, _ in done], np.int8)
        return float(warmth(pulls(kind, np.array([days * DAY_S for _, days in done], np.float32))))

    assert of() == 0
    assert of((ActionType.SAVE, 0)) > of((ActionType.CLICK, 0)) > of((ActionType.LONG_VIEW, 0)) > 0
    assert of((ActionType.SAVE, 0)) > of((ActionType.SAVE, 3)) > of((ActionType.SAVE, 30)) > 0
    assert of((ActionType.HIDE, 0)) < 0
    assert of((ActionType.SAVE, 0), (ActionType.HIDE, 0)) < 0
    assert pulls(np.array([1], np.int8), np.array([5 * DAY_S], np.float32))[0] == pytest.approx(0.5)


def test_a_visit_knows_nothing_that_came_later(world) -> None:
    early = datetime.fromtimestamp(world.epoch, UTC) - timedelta(days=15)
    made = describe(world, plan(world, 5, early, 24, 500)).actions
    there = made.kind > 0
    assert (made.age_us[there] >= 0).all()
    assert (there.sum(axis=1) < 40).all()
