"""Tuning on made-up logs: bounds hold, the rate is monotone, the points are policies."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.auction import hold_auction, hold_auctions
from auction.blend import AdLoad, Bound, Frontier, ad_loads, tune_blend
from auction.blend.folder import write_frontier
from auction.errors import InputError
from auction.log import DecisionRecord
from auction.policy import AuctionPolicy, Exposure, FeedRules
from auction.replay import compare
from auction.simulation.sample import sample_slates

Make = Callable[..., list[DecisionRecord]]
Write = Callable[..., str]

FEW = {"rates": (0.25, 1.0, 4.0)}


@pytest.fixture
def log(make_records: Make, write_log: Write) -> str:
    return write_log(make_records(250))


def tuned(log: str, bound: Bound | None, policy: AuctionPolicy) -> Frontier:
    own = AdLoad.of(policy)
    return tune_blend(log, bound, loads=(own, replace(own, min_gap=2)), **FEW)


def test_the_bound_holds_and_the_mixture_is_at_least_as_good(log: str, policy: AuctionPolicy) -> None:
    for most in (0.0, 0.01, 0.03, 1.0):
        found = tuned(log, Bound(max_organic_loss=most), policy)
        chosen = found.points[found.choice.single]
        base = found.points[found.current].revenue_micros
        assert chosen.organic_loss <= most
        assert found.choice.organic_loss <= most + 1e-12
        assert found.choice.revenue * base >= chosen.revenue_micros - 1e-6


def test_the_reverse_problem_keeps_the_revenue(log: str, policy: AuctionPolicy) -> None:
    found = tuned(log, Bound(min_revenue=0.8), policy)
    current, chosen = found.points[found.current], found.points[found.choice.single]
    assert chosen.revenue_micros >= 0.8 * current.revenue_micros
    assert chosen.organic_loss <= current.organic_loss
    assert found.choice.organic_loss <= chosen.organic_loss + 1e-12


def test_without_a_bound_nothing_is_worse_than_today(log: str, policy: AuctionPolicy) -> None:
    found = tuned(log, None, policy)
    current, chosen = found.points[found.current], found.points[found.choice.single]
    assert chosen.organic_loss <= current.organic_loss
    assert chosen.revenue_micros >= current.revenue_micros


def test_the_hull_is_concave_and_no_point_is_above_it(log: str, policy: AuctionPolicy) -> None:
    found = tuned(log, None, policy)
    loss = np.array([one.organic_loss for one in found.points])
    revenue = np.array([one.revenue_micros for one in found.points])
    hull = list(found.hull)
    assert np.all(np.diff(loss[hull]) > 0)
    assert np.all(np.diff(np.diff(revenue[hull]) / np.diff(loss[hull])) < 0)
    assert np.all(np.interp(loss, loss[hull], revenue[hull]) >= revenue - 1e-6)


def test_replay_measures_each_file_as_the_frontier_does(
    log: str, policy: AuctionPolicy, tmp_path: Path
) -> None:
    found = tune_blend(log, Bound(max_organic_loss=0.02), loads=(AdLoad.of(policy),), decisions=10**6, **FEW)
    assert found.decisions == found.of == 250
    files = write_frontier(found, tmp_path / "out")
    assert {"chosen.yaml", "frontier.json", "frontier.png"} <= {path.name for path in files}
    for at, name in enumerate(found.hull):
        point = found.points[name]
        loaded = AuctionPolicy.load(tmp_path / "out" / f"blend-{at:02d}.yaml")
        assert loaded == point.policy
        assert loaded.exposure is None
        replayed = compare(log, loaded)
        assert replayed["revenue_micros"].other == pytest.approx(point.revenue_micros)
        assert replayed["hides"].other == pytest.approx(point.hides)
    assert AuctionPolicy.load(tmp_path / "out" / "chosen.yaml") == found.points[found.choice.single].policy


def test_equal_seeds_give_equal_frontiers_and_intervals_hold_their_centre(
    log: str, policy: AuctionPolicy
) -> None:
    one = tune_blend(log, loads=(AdLoad.of(policy),), decisions=120, seed=5, **FEW)
    assert one == tune_blend(log, loads=(AdLoad.of(policy),), decisions=120, seed=5, **FEW)
    assert 60 < one.decisions < 180
    for point in one.points:
        low, high = point.organic_interval.low, point.organic_interval.high
        assert low is not None
        assert high is not None
        assert low <= point.organic_loss + 1e-12
        assert point.organic_loss <= high + 1e-12
    assert one.points[one.current].revenue_interval.low == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.floats(100.0, 1e6), min_size=2, max_size=5, unique=True),
    st.integers(1, 5),
)
def test_organic_value_lost_falls_as_the_rate_rises(seed: int, rates: list[float], gap: int) -> None:
    slates = sample_slates(np.random.default_rng(seed), 30, ads=(0, 10), organics=(0, 14))
    # The auction rounds a worth to a thousandth of a micro and a look to 1e-5, on up to 24 positions.
    rounding = 24 * (1e-5 + 1e-3 / min(rates))
    before = np.full(30, -np.inf)
    for rate in sorted(rates):
        policy = AuctionPolicy(
            exchange_rate=rate,
            rules=FeedRules(min_gap=gap),
            exposure=Exposure(examination=[0.9**s for s in range(24)], gap_effect=[0.5, 0.8]),
        )
        organic = hold_auctions(slates, policy).organic_value_micros / rate
        assert np.all(organic >= before - rounding)
        before = organic


def decided(record: DecisionRecord, policy: AuctionPolicy, **columns: object) -> DecisionRecord:
    """The record with columns of its slate replaced, decided again."""
    slate = replace(record.slate, **columns)
    outcome = hold_auction(slate, policy)
    shown = int(np.count_nonzero(outcome.position))
    return replace(
        record,
        slate=slate,
        outcome=outcome,
        organic_id=record.organic_id[: len(slate.organic_utility)],
        placement_id=[f"{record.request_id}-{at}" for at in range(shown)],
        raw={},
        features={},
        departures=[],
    )


def test_organic_items_worth_nothing_cannot_be_lost(
    make_records: Make, write_log: Write, policy: AuctionPolicy
) -> None:
    records = [
        decided(one, policy, organic_utility=np.zeros(len(one.slate.organic_utility)))
        for one in make_records(40)
    ]
    found = tuned(write_log(records), None, policy)
    assert {one.organic_loss for one in found.points} == {0.0}
    assert found.points[found.choice.single].revenue_micros == max(one.revenue_micros for one in found.points)
    assert len(found.hull) == 1
    assert any("worth nothing" in note for note in found.notes)


def test_without_ads_every_policy_is_one_point(
    make_records: Make, write_log: Write, policy: AuctionPolicy, tmp_path: Path
) -> None:
    dear = np.int64(2**50)
    records = [
        decided(one, policy, reserve_micros=np.full(len(one.slate.ad_id), dear)) for one in make_records(30)
    ]
    log = write_log(records)
    found = tuned(log, None, policy)
    assert {(one.organic_loss, one.revenue_micros) for one in found.points} == {(0.0, 0.0)}
    assert {one.revenue_change for one in found.points} == {None}
    assert found.choice.multiplier == 0.0
    assert write_frontier(found, tmp_path / "out")[-1].stat().st_size > 0
    with pytest.raises(InputError, match="earns nothing"):
        tuned(log, Bound(min_revenue=1.0), policy)


def test_the_default_rules_hold_the_current_ones_and_refuse_what_no_policy_may_have(
    policy: AuctionPolicy,
) -> None:
    assert AdLoad.of(policy) in ad_loads(policy)
    assert AdLoad.of(policy) in ad_loads(policy, min_gap=(7,))
    for gap in (300, 4_095):
        apart = policy.model_copy(update={"rules": policy.rules.model_copy(update={"min_gap": gap})})
        assert AdLoad.of(apart) in ad_loads(apart)
    with pytest.raises(InputError, match="min_gap"):
        ad_loads(policy, min_gap=(0,))
    with pytest.raises(InputError, match="combinations"):
        ad_loads(policy, min_gap=tuple(range(1, 20)), max_ads=tuple(range(1, 20)))


def test_a_wanted_gap_is_never_left_below_the_least(policy: AuctionPolicy) -> None:
    wanting = policy.model_copy(update={"rules": FeedRules(min_gap=2, wanted_gap=4)})
    assert AdLoad(4, 0.25, 6).applied(wanting, 10.0, "x").rules.wanted_gap == 6
    assert AdLoad(4, 0.25, 3).applied(wanting, 10.0, "x").rules.wanted_gap == 4


def test_a_bound_that_is_refused_names_itself(log: str) -> None:
    with pytest.raises(InputError, match="min_revenue"):
        tune_blend(log, Bound(min_revenue=50.0), loads=(), **FEW)
    with pytest.raises(InputError, match="rates"):
        tune_blend(log, rates=(0.0,))
