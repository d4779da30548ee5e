"""Another policy over the same slates: the numbers of a hand computation, and honest intervals."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auction.billable import Billable
from auction.errors import InputError
from auction.log import DecisionLog, LogWriter
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Quality, Reserve
from auction.replay import compare
from auction.replay.bootstrap import BUCKETS, buckets_of, interval
from auction.replay.expected import METRICS, expected
from auction.slate import Slate
from tests.auction.small_log import log_slates

SIMPLE = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=1, max_ads=1, max_share=0.9),
    exposure=Exposure(examination=[1.0, 0.5]),
)


def one_slate(seed: int = 1) -> Slate:
    """Two click ads (2.00 at 5 %, 1.00 at 4 %) and one organic item worth .01 per look."""
    return Slate(
        seed=seed,
        ad_id=np.array([10, 11]),
        advertiser_id=np.array([1, 2]),
        campaign_id=np.array([100, 101]),
        billable=np.full(2, Billable.CLICK, np.int8),
        bid_micros=np.array([2_000_000, 1_000_000]),
        multiplier=np.ones(2),
        p_click=np.array([0.05, 0.04]),
        p_conversion_given_click=np.array([0.1, 0.2]),
        p_click_conversion=np.array([0.005, 0.008]),
        p_save=np.array([0.02, 0.0]),
        p_hide=np.array([0.001, 0.0]),
        tolerance=np.full(2, 2, np.int8),
        relevance=np.ones(2),
        organic_utility=np.array([10_000.0]),
        organic_grade=np.zeros(1, np.int8),
    )


def test_the_numbers_are_those_of_a_hand_computation(tmp_path: Path) -> None:
    """The ad takes position 1 at exposure 1 and pushes the item (10,000) to 2, where it is worth half.

    Second price: the rival is worth .04 per look, so the slot is kept down to .04 / .05 = .80 a click.
    (.80 itself is a tie, which the seeded hash gives to the rival: one micro more.) A reserve of
    1.50 puts the price there; a reserve of 2.50 leaves the feed without an ad.
    """
    log = log_slates(tmp_path, [one_slate()], SIMPLE)
    dearer = SIMPLE.model_copy(update={"reserve": Reserve(click_micros=1_500_000)})
    report = compare(log, dearer)
    assert (report.decisions, report.changed) == (1, 1)
    revenue = report["revenue_micros"]
    assert revenue.logged == pytest.approx(0.05 * 800_001, abs=1e-6)
    assert revenue.other == pytest.approx(0.05 * 1_500_000)
    assert revenue.difference == pytest.approx(0.05 * 699_999, abs=1e-6)
    assert revenue.relative == pytest.approx(7 / 8, rel=1e-5)
    for name, value in {
        "ads_shown": 1,
        "decisions_with_ads": 1,
        "clicks": 0.05,
        "conversions": 0.005,
        "saves": 0.02,
        "hides": 0.001,
        "organic_displaced_micros": 5_000,
        "value_micros": 0.05 * 2_000_000 + 5_000,
    }.items():
        assert report[name].logged == pytest.approx(value), name
        assert report[name].difference == pytest.approx(0.0, abs=1e-9), name
    none = compare(log, SIMPLE.model_copy(update={"reserve": Reserve(click_micros=2_500_000)}))
    assert none.fill == (1.0, 0.0)
    assert none["ads_shown"].difference == -1
    assert none["organic_displaced_micros"].other == 0
    assert none["value_micros"].other == pytest.approx(10_000)
    assert none.to_json()["metrics"]["revenue_micros"]["difference"] == pytest.approx(-0.05 * 800_001)


def test_the_yardstick_is_the_logged_policy_s(tmp_path: Path) -> None:
    """A policy that declares organic items worth twice as much does not thereby displace twice as much."""
    log = log_slates(tmp_path, [one_slate()], SIMPLE)
    doubled = SIMPLE.model_copy(
        update={
            "exchange_rate": 2.0,
            "exposure": Exposure(examination=[1.0, 0.9]),
            "quality": Quality(save_micros=1.0),
        }
    )
    report = compare(log, doubled)
    assert report["organic_displaced_micros"].difference == 0
    assert report["value_micros"].difference == 0
    assert report["clicks"].difference == 0


def test_a_null_exposure_takes_the_logged_one(tmp_path: Path) -> None:
    log = log_slates(tmp_path, [one_slate()], SIMPLE)
    report = compare(log, SIMPLE.model_copy(update={"exposure": None}))
    assert report.changed == 0


def test_the_same_policy_changes_nothing(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    report = compare(write_log(make_records(500)), policy)
    assert report.changed == 0
    for estimate in report.estimates:
        assert (estimate.difference, estimate.low, estimate.high) == (0, 0, 0)


def test_first_price_earns_more_than_second_price_from_the_same_bids(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    report = compare(write_log(make_records(800)), policy.model_copy(update={"pricing": Pricing.FIRST_PRICE}))
    revenue = report["revenue_micros"]
    assert revenue.difference > 0
    assert revenue.low is not None
    assert 0 < revenue.low < revenue.difference < (revenue.high or 0)
    assert report["ads_shown"].difference == 0
    assert report["clicks"].difference == 0


def test_dearer_organic_items_show_fewer_ads_and_displace_less(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    report = compare(write_log(make_records(800)), policy.model_copy(update={"exchange_rate": 60_000.0}))
    assert report["ads_shown"].difference < 0
    assert report["organic_displaced_micros"].difference < 0
    assert report["value_micros"].difference <= 0
    assert report.fill[1] < report.fill[0]


def test_expected_metrics_agree_with_the_outcomes_own_values(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    """The auction counts exposure in units of 1e-5, the report in doubles: equal to five digits."""
    log = DecisionLog(write_log(make_records(400)))
    column = METRICS.index
    for batch in log.decisions():
        position = np.concatenate([batch.outcome(n).position for n in range(len(batch))])
        price = np.concatenate([batch.outcome(n).price_micros for n in range(len(batch))])
        found = expected(batch, position, price, policy)
        displaced = batch.values["organic_only_value_micros"] - batch.values["organic_value_micros"]
        assert np.allclose(found[:, column("value_micros")], batch.values["value_micros"], rtol=1e-4, atol=2)
        assert np.allclose(found[:, column("organic_displaced_micros")], displaced, rtol=1e-4, atol=2)
        revenue = np.zeros(len(batch))
        for n in range(len(batch)):
            slate, outcome = batch.slates.slate(n), batch.outcome(n)
            chances = [np.ones(len(slate.ad_id)), slate.p_click, slate.p_click_conversion, slate.p_view]
            event = np.choose(slate.billable, chances)
            revenue[n] = (outcome.exposure * event * outcome.price_micros).sum()
        assert np.allclose(found[:, column("revenue_micros")], revenue, rtol=1e-4, atol=1)


def test_one_user_gives_no_interval(tmp_path: Path) -> None:
    slates = [one_slate(seed) for seed in range(20)]
    first = SIMPLE.model_copy(update={"pricing": Pricing.FIRST_PRICE})
    alone = compare(log_slates(tmp_path / "one", slates, SIMPLE, users=1), first)
    assert alone["revenue_micros"].low is None
    several = compare(log_slates(tmp_path / "many", slates, SIMPLE, users=10), first)
    assert several["revenue_micros"].low is not None


def test_a_log_without_auctions_cannot_be_compared(tmp_path: Path) -> None:
    log = log_slates(tmp_path, [one_slate()], SIMPLE)
    record = replace(next(DecisionLog(log).records()), held=False)
    with LogWriter(tmp_path / "none", "w") as writer:
        writer.keep(SIMPLE)
        writer.append(replace(record, context={}, features={}))
    with pytest.raises(InputError, match="no auction"):
        compare(tmp_path / "none", SIMPLE)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    covered, widths = 0, []
    for trial in range(60):
        sums = np.zeros((BUCKETS, 1))
        users = generator.poisson(150)
        np.add.at(sums[:, 0], generator.integers(0, BUCKETS, users), generator.exponential(2.0, users))
        low, high = interval(sums, sums[:, 0] > 0, np.random.default_rng(trial))
        widths.append(high[0] - low[0])
        covered += low[0] <= 300 <= high[0]
    assert 0.85 <= covered / 60 <= 1.0
    # A total of Poisson(150) draws of mean 2 and second moment 8 has variance 150 * 8.
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(150 * 8), rel=0.1)


def test_equal_seeds_give_equal_intervals_and_a_user_one_group(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    folder = write_log(make_records(300))
    other = policy.model_copy(update={"pricing": Pricing.VCG})
    assert compare(folder, other, seed=4).to_json() == compare(folder, other, seed=4).to_json()
    assert compare(folder, other, seed=4).to_json() != compare(folder, other, seed=5).to_json()
    (batch,) = list(DecisionLog(write_log(make_records(200), name="users")).decisions())[:1]
    pairs = set(zip(batch.user_id.to_pylist(), buckets_of(batch.user_id, batch.request_id), strict=True))
    users = {user for user, _ in pairs if user is not None}
    assert len([pair for pair in pairs if pair[0] is not None]) == len(users) > 50
    assert len({group for user, group in pairs if user is None}) > 10
