"""Pacing: the spend follows the curve, and what the controller may never do."""

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.day import Day
from auction.errors import InputError
from auction.pacing import Pacing, PacingController, PacingSettings, traffic_shares
from auction.target_curve import TargetCurve

NEW_YORK = "America/New_York"
START = datetime(2026, 6, 1, 4, tzinfo=UTC).timestamp()  # Midnight in New York.
BUDGET = 100_000_000
SHARES = [1, 1, 1, 1, 1, 2, 3, 5, 6, 6, 6, 7, 8, 7, 6, 6, 6, 7, 8, 9, 9, 7, 4, 2]
DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "pacing"


def simulate(
    controller: PacingController,
    supply: Callable[[float], float],
    *,
    start: float = START,
    seconds: float = 86_400,
    step: float = 60.0,
    steepness: float = 2.0,
    click_micros: int = 100_000,
    seed: int = 1,
) -> list[tuple[float, int]]:
    """A market in which a bid of m wins m**steepness of the supply (micros/s), paid by clicks."""
    rng = np.random.default_rng(seed)
    spent, path = 0, []
    for number in range(int(seconds / step)):
        now = start + (number + 1) * step
        mean = supply(now) * controller.multiplier**steepness * step / click_micros
        cost = min(int(rng.poisson(mean)) * click_micros, BUDGET - spent)
        spent += cost
        controller.observe(cost, now)
        path.append((now, spent))
    return path


def shaped(times: float, shares: list[int] = SHARES) -> Callable[[float], float]:
    """Supply worth `times` the budget in a day, spread as `shares`."""
    day = Day.at(START, NEW_YORK)
    return lambda now: times * BUDGET * shares[day.hour(now - 1)] / (sum(shares) * 3600)


def worst(path: list[tuple[float, int]], curve: TargetCurve) -> float:
    return max(abs(spent / BUDGET - curve.share(now)) for now, spent in path)


@pytest.mark.parametrize("times", [1.5, 5.0, 30.0])
def test_spend_follows_the_traffic_shaped_curve_and_uses_the_budget(times: float) -> None:
    controller = PacingController(BUDGET, NEW_YORK, START, PacingSettings(hourly_share=tuple(SHARES)))
    path = simulate(controller, shaped(times))
    assert worst(path, TargetCurve(Day.at(START, NEW_YORK), SHARES)) < 0.08
    assert path[-1][1] >= 0.97 * BUDGET


def test_spend_follows_the_uniform_curve_where_supply_allows_it() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START)
    path = simulate(controller, lambda _: 6.0 * BUDGET / 86_400)
    assert worst(path, TargetCurve(Day.at(START, NEW_YORK))) < 0.05
    assert path[-1][1] >= 0.97 * BUDGET


def test_without_pacing_the_same_market_spends_the_budget_in_the_morning() -> None:
    settings_ = PacingSettings(mode=Pacing.ACCELERATED, hourly_share=tuple(SHARES))
    controller = PacingController(BUDGET, NEW_YORK, START, settings_)
    path = simulate(controller, shaped(5.0))
    gone = next(now for now, spent in path if spent >= BUDGET)
    assert gone < START + 10 * 3600
    assert controller.multiplier == 1.0


def test_a_campaign_that_cannot_spend_its_budget_bids_in_full() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START, PacingSettings(start=0.3))
    path = simulate(controller, lambda _: 0.3 * BUDGET / 86_400)
    assert controller.multiplier == 1.0
    assert path[-1][1] > 0.25 * BUDGET


def test_there_is_no_spike_at_the_end_of_a_day_that_began_without_supply() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START, PacingSettings(catch_up=2.0))
    path = simulate(controller, lambda now: 0.0 if now < START + 18 * 3600 else 20.0 * BUDGET / 86_400)
    by_hour = defaultdict(int)
    for (_, before), (now, after) in pairwise(path):
        by_hour[int((now - START - 1) // 3600)] += after - before
    settled = [by_hour[hour] for hour in range(20, 24)]
    assert max(settled) < 2.6 * BUDGET / 24, (
        "about twice the uniform rate, not the four times that would use it all"
    )


def test_one_click_of_a_third_of_the_budget_is_waited_out() -> None:
    controller = PacingController(900, NEW_YORK, START)
    controller.observe(300, START + 600)
    for minute in range(11, 8 * 60):
        controller.observe(0, START + minute * 60)
        assert controller.multiplier < 0.1
    for minute in range(8 * 60, 10 * 60):
        controller.observe(0, START + minute * 60)
    assert controller.multiplier == 1.0


def test_a_new_day_starts_with_a_full_budget_and_yesterdays_multiplier() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START)
    simulate(controller, lambda _: 6.0 * BUDGET / 86_400)
    learned = controller.multiplier
    controller.observe(0, START + 86_400 + 1)
    assert controller.spent_micros == 0
    assert controller.multiplier == pytest.approx(learned, rel=0.02)


def test_a_controller_made_at_noon_is_not_surprised_by_the_mornings_spend() -> None:
    noon = START + 12 * 3600
    controller = PacingController(BUDGET, NEW_YORK, noon, spent_micros=BUDGET // 2)
    controller.observe(int(BUDGET * 600 / 86_400), noon + 600)
    assert controller.multiplier == pytest.approx(1.0)


def test_a_promise_taken_back_undoes_its_effect() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START, PacingSettings(start=0.5))
    controller.observe(BUDGET // 500, START)
    assert controller.multiplier < 0.5
    controller.observe(-BUDGET // 500, START)
    assert controller.multiplier == pytest.approx(0.5)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10**12),
    st.lists(st.tuples(st.integers(-(10**9), 10**12), st.floats(-1e4, 2e5)), max_size=40),
    st.sampled_from(list(Pacing)),
)
def test_the_multiplier_is_always_in_0_to_1(
    budget: int, steps: list[tuple[int, float]], mode: Pacing
) -> None:
    controller = PacingController(
        budget, NEW_YORK, START, PacingSettings(mode=mode, hourly_share=tuple(SHARES))
    )
    now = START
    for spend, wait in steps:
        now += wait
        controller.observe(spend, now)
        assert 0.0 < controller.multiplier <= 1.0
        if mode is Pacing.ACCELERATED:
            assert controller.multiplier == 1.0


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_spend_never_raises_the_multiplier(budget: int, less: int, more: int) -> None:
    low, high = sorted((less, more))
    first, second = (PacingController(budget, NEW_YORK, START, PacingSettings(start=0.7)) for _ in range(2))
    first.observe(low, START + 300)
    second.observe(high, START + 300)
    assert second.multiplier <= first.multiplier


@pytest.mark.parametrize(("time", "hours"), [("2026-03-08T12:00", 23), ("2026-11-01T12:00", 25)])
def test_the_curve_ends_at_one_on_days_of_23_and_25_hours(time: str, hours: int) -> None:
    day = Day.at(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp(), NEW_YORK)
    curve = TargetCurve(day, SHARES)
    shares = [curve.share(day.start + 900 * cell) for cell in range(hours * 4 + 1)]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert all(before <= after for before, after in pairwise(shares))
    # Hour 2 is missing in March; hour 1 comes twice in November.
    existing = sum(SHARES) + (-SHARES[2] if hours == 23 else SHARES[1])
    noon = next(day.start + 900 * cell for cell in range(hours * 4) if day.hour(day.start + 900 * cell) == 12)
    assert curve.share(noon + 3600) - curve.share(noon) == pytest.approx(SHARES[12] / existing)


@pytest.mark.parametrize("shares", [None, SHARES])
def test_on_its_last_day_a_campaigns_curve_ends_where_the_campaign_does(shares: list[int] | None) -> None:
    day = Day.at(START, NEW_YORK)
    end = day.start + 6.4 * 3600
    curve = TargetCurve(day, shares, end)
    path = [curve.share(day.start + minute * 60) for minute in range(24 * 60)]
    assert path[0] == 0.0
    assert all(before <= after for before, after in pairwise(path))
    assert curve.share(end - 60) < 1.0
    assert curve.share(end) == curve.share(day.end) == 1.0
    for beyond in (day.start - 1, day.end + 1):
        assert TargetCurve(day, shares, beyond).share(end) == TargetCurve(day, shares).share(end)


def test_a_campaign_that_ends_at_six_spends_its_last_budget_by_six() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START, ends_at=START + 6 * 3600)
    path = simulate(controller, lambda _: 24.0 * BUDGET / 86_400, seconds=6 * 3600)
    assert path[-1][1] >= 0.97 * BUDGET
    assert max(abs(spent / BUDGET - (now - START) / (6 * 3600)) for now, spent in path) < 0.1


def test_an_end_moved_at_noon_moves_the_curve() -> None:
    controller = PacingController(BUDGET, NEW_YORK, START)
    controller.observe(0, START + 6 * 3600)
    assert controller.target_micros == pytest.approx(BUDGET / 4)
    controller.rebudget(BUDGET, START + 12 * 3600)
    assert controller.target_micros == pytest.approx(BUDGET / 2)
    controller.rebudget(BUDGET, None)
    assert controller.target_micros == pytest.approx(BUDGET / 4)


def test_traffic_only_in_the_hour_that_a_short_day_skips_falls_back_to_uniform() -> None:
    day = Day.at(datetime(2026, 3, 8, 12, tzinfo=UTC).timestamp(), NEW_YORK)
    curve = TargetCurve(day, [0, 0, 1] + [0] * 21)
    assert curve.share(day.start + day.seconds / 2) == 0.5


@pytest.mark.parametrize(
    "shares", [[1] * 23, [0] * 24, [1] * 23 + [-1], [1] * 23 + [math.nan], [1] * 23 + [math.inf]]
)
def test_shares_that_are_no_traffic_are_refused(shares: list[float]) -> None:
    with pytest.raises(InputError, match="hourly_share"):
        traffic_shares(shares)


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(InputError, match="budget_micros"):
        PacingController(-1, NEW_YORK, START)


def test_counts_become_shares_that_sum_to_one() -> None:
    assert sum(traffic_shares(SHARES)) == pytest.approx(1.0)


@pytest.mark.skipif(not DATA.exists(), reason="shared/data/pacing is not beside the checkout")
def test_a_curve_from_past_traffic_paces_a_real_campaigns_supply() -> None:
    """iPinYou, campaign 1458: hourly bids of the first days shape the curve of a later day."""
    by_day: dict[str, list[float]] = defaultdict(lambda: [0.0] * 24)
    with gzip.open(DATA / "ipinyou_train_5min.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["campaign"] == "1458":
                time = datetime.fromisoformat(row["datetime"])
                by_day[time.date().isoformat()][time.hour] += float(row["total_bids_cur"])
    full = [counts for _, counts in sorted(by_day.items()) if min(counts) > 0]
    assert len(full) >= 3
    past = traffic_shares(np.sum(full[:-1], axis=0).tolist())
    today = traffic_shares(full[-1])
    start = datetime(2013, 6, 12, tzinfo=UTC).timestamp()
    today_at = [today[int(minute // 60)] for minute in range(24 * 60)]
    unsteady = {}
    for name, hourly in (("uniform", None), ("shaped", past)):
        controller = PacingController(BUDGET, "UTC", start, PacingSettings(hourly_share=hourly))
        multipliers: list[float] = []

        def supply(
            now: float, seen: list[float] = multipliers, controller: PacingController = controller
        ) -> float:
            seen.append(controller.multiplier)
            return 4.0 * BUDGET * today_at[int((now - start - 1) // 60)] / 3600

        path = simulate(controller, supply, start=start)
        assert path[-1][1] >= 0.97 * BUDGET
        mean = np.average(np.log(multipliers), weights=today_at)
        unsteady[name] = float(np.average((np.log(multipliers) - mean) ** 2, weights=today_at))
    assert unsteady["shaped"] < unsteady["uniform"], "the same bid for the same user all day"
