"""Frequency caps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auction.billable import Billable
from auction.errors import InputError
from auction.frequency import DAY_S, FrequencyCap, FrequencyCaps, FrequencyCounter


def exceeded(
    counter: FrequencyCounter, user: str, caps: dict[int, FrequencyCap | None], now: float
) -> list[bool]:
    ids = np.asarray(list(caps), np.int64)
    return counter.exceeded(user, ids, FrequencyCaps.of(list(caps.values())), now).tolist()


def test_the_event_that_fills_the_cap_shuts_the_campaign_out_until_the_interval_is_over() -> None:
    counter = FrequencyCounter()
    cap = FrequencyCap(interval_days=2, max_frequency=2)
    counter.note("u", 7, 100.0)
    assert exceeded(counter, "u", {7: cap}, 101.0) == [False]
    counter.note("u", 7, 200.0)
    assert exceeded(counter, "u", {7: cap}, 201.0) == [True]
    assert exceeded(counter, "u", {7: cap}, 100.0 + 2 * DAY_S - 0.1) == [True]
    assert exceeded(counter, "u", {7: cap}, 100.0 + 2 * DAY_S) == [False]


def test_caps_count_their_own_user_campaign_and_event() -> None:
    counter = FrequencyCounter()
    counter.note("u", 1, 10.0)
    counter.note("u", 2, 10.0, Billable.CLICK)
    once = FrequencyCap(max_frequency=1)
    click = FrequencyCap(Billable.CLICK, 1, 1)
    assert exceeded(counter, "u", {1: once, 2: once, 3: once}, 11.0) == [True, False, False]
    assert exceeded(counter, "u", {1: click, 2: click, 3: click}, 11.0) == [False, True, False]
    assert exceeded(counter, "v", {1: once, 2: click}, 11.0) == [False, False]


def test_a_campaign_without_a_cap_is_never_shut_out() -> None:
    counter = FrequencyCounter()
    for time in range(50):
        counter.note("u", 1, float(time))
    assert exceeded(counter, "u", {1: None}, 60.0) == [False]


def test_an_impression_noted_by_a_clock_that_runs_ahead_still_counts() -> None:
    counter = FrequencyCounter()
    counter.note("u", 1, 100.0)
    assert exceeded(counter, "u", {1: FrequencyCap()}, 99.0) == [True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(0, 3), st.floats(0, 20 * DAY_S), st.sampled_from(Billable)
        ),
        max_size=60,
    ),
    st.integers(1, 5),
    st.integers(1, 7),
    st.sampled_from(Billable),
    st.floats(0, 20 * DAY_S),
)
def test_the_counter_agrees_with_counting_by_hand(
    notes: list[tuple[str, int, float, Billable]], most: int, days: int, event: Billable, now: float
) -> None:
    counter = FrequencyCounter()
    for user, campaign, time, kind in notes:
        counter.note(user, campaign, time, kind)
    cap = FrequencyCap(event, days, most)
    for user in "abc":
        by_hand = [
            sum(u == user and c == campaign and k == event and t > now - days * DAY_S for u, c, t, k in notes)
            >= most
            for campaign in range(4)
        ]
        assert exceeded(counter, user, dict.fromkeys(range(4), cap), now) == by_hand


def test_memory_is_bounded_and_the_user_seen_longest_ago_is_forgotten_first() -> None:
    counter = FrequencyCounter(max_times=100)
    cap = {1: FrequencyCap()}
    for user in range(500):
        counter.note(f"u{user}", 1, float(user))
        if user % 10 == 0:
            counter.note("regular", 1, float(user))
        assert len(counter) <= 100
    assert exceeded(counter, "u499", cap, 500.0) == [True]
    assert exceeded(counter, "regular", cap, 500.0) == [True]
    assert exceeded(counter, "u1", cap, 500.0) == [False]


def test_one_user_alone_cannot_fill_the_memory() -> None:
    counter = FrequencyCounter(max_times=10)
    for campaign in range(40):
        counter.note("u", campaign, float(campaign))
    assert len(counter) == 10
    kept = exceeded(counter, "u", dict.fromkeys(range(40), FrequencyCap()), 41.0)
    assert kept == [campaign >= 30 for campaign in range(40)]


def test_a_forgotten_user_leaves_nothing() -> None:
    counter = FrequencyCounter()
    counter.note("u", 1, 1.0)
    counter.forget("u")
    counter.forget("never seen")
    assert len(counter) == 0
    assert exceeded(counter, "u", {1: FrequencyCap()}, 2.0) == [False]


@pytest.mark.parametrize(("days", "most"), [(0, 1), (91, 1), (1, 0), (1, 1001)])
def test_a_cap_that_cannot_be_kept_is_refused(days: int, most: int) -> None:
    with pytest.raises(InputError):
        FrequencyCap(Billable.CLICK, days, most)


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="caps"):
        FrequencyCounter().exceeded("u", np.zeros(2, np.int64), FrequencyCaps.of([None]), 0.0)


def test_a_meeting_with_a_name_counts_once() -> None:
    counter = FrequencyCounter()
    for _ in range(3):
        counter.note("u", 1, 100.0, once="r1/7")
    counter.note("u", 1, 100.0, once="r2/7")
    assert len(counter) == 2
