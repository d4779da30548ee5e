"""Reserves by replay: a log of one auction by hand, and a made-up market."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auction.billable import Billable
from auction.errors import InputError
from auction.policy import AuctionPolicy, Exposure, FeedRules, Reserve
from auction.replay import compare
from auction.reserve import logged_bids, search_reserve, with_reserve
from auction.slate import Slate
from tests.auction.small_log import log_slates

ONE_SLOT = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=1, max_ads=1, max_share=0.9),
    exposure=Exposure(examination=[1.0, 0.5]),
)


def slate(bid: int, seed: int, multiplier: float = 1.0) -> Slate:
    """One click ad at 5 %, and an organic item worth 10,000 per look, which the ad pushes to half of it."""
    return Slate(
        seed=seed,
        ad_id=np.array([10]),
        advertiser_id=np.array([1]),
        campaign_id=np.array([100]),
        billable=np.full(1, Billable.CLICK, np.int8),
        bid_micros=np.array([bid]),
        multiplier=np.array([multiplier]),
        p_click=np.array([0.05]),
        p_conversion_given_click=np.array([0.1]),
        p_click_conversion=np.array([0.005]),
        p_save=np.zeros(1),
        p_hide=np.zeros(1),
        tolerance=np.full(1, 2, np.int8),
        relevance=np.ones(1),
        organic_utility=np.array([10_000.0]),
        organic_grade=np.zeros(1, np.int8),
    )


def test_the_numbers_are_those_of_a_hand_computation(tmp_path: Path) -> None:
    """Lone bids of 1, 2 and 3 a click. The ad displaces 5,000, so without a reserve each pays .10.

    At a reserve r those with a bid of r or more pay it: 3 x 1, 2 x 2, 1 x 3, each at 5 % of clicks.
    """
    slates = [slate(bid * 1_000_000, bid) for bid in (1, 2, 3)]
    log = log_slates(tmp_path / "log", slates, [ONE_SLOT] * 3)
    tried = [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]
    found = search_reserve(log, Billable.CLICK, reserves=tried[::-1])
    assert [row.reserve_micros for row in found.rows] == tried
    assert [row.revenue.total for row in found.rows] == pytest.approx(
        [0.05 * 3 * 100_000, 150_000, 200_000, 150_000, 0], abs=1
    )
    assert [row.fill for row in found.rows] == pytest.approx([1, 1, 2 / 3, 1 / 3, 0])
    assert [row.organic_displaced.total for row in found.rows] == pytest.approx(
        [15_000, 15_000, 10_000, 5_000, 0]
    )
    assert [row.clicks for row in found.rows] == pytest.approx([0.15, 0.15, 0.10, 0.05, 0])
    assert (found.best.reserve_micros, found.decisions, found.logged_fill) == (2_000_000, 3, 1.0)
    assert found.best.revenue.difference == pytest.approx(185_000, abs=1)
    assert found.best.net.total == pytest.approx(190_000)
    assert (found.rows[0].revenue.difference, found.rows[0].revenue.low) == (0, 0)


def test_the_search_finds_the_best_bid_without_being_told_where_to_look(tmp_path: Path) -> None:
    bids = [300_000 + 10_000 * n for n in range(120)]
    log = log_slates(tmp_path / "log", [slate(bid, bid) for bid in bids], [ONE_SLOT] * len(bids))
    found = search_reserve(log, Billable.CLICK)
    # Uniform from .30 to 1.49: best at half of 1.50.
    assert found.best.reserve_micros == pytest.approx(750_000, rel=0.06)
    assert found.best.revenue.low is not None
    assert 0 < found.best.revenue.low < found.best.revenue.difference < (found.best.revenue.high or 0)
    assert found.held_out_gain is not None
    assert 0 < found.held_out_gain.difference <= found.best.revenue.difference


def test_the_net_objective_leaves_a_slot_to_organic_items_that_are_worth_more(tmp_path: Path) -> None:
    """Bids of 1 displace 5,000 of organic value and bring 5 % of the reserve."""
    slates = [slate(bid, n) for n, bid in enumerate([200_000] * 6 + [1_000_000])]
    log = log_slates(tmp_path / "log", slates, [ONE_SLOT] * 7)
    tried = [200_000, 1_000_000]
    # .05 x .2 x 7 = 70,000 against .05 x 1 = 50,000; less 35,000 and 5,000 of organic value.
    assert search_reserve(log, Billable.CLICK, reserves=tried).best.reserve_micros == 200_000
    net = search_reserve(log, Billable.CLICK, reserves=tried, objective="net")
    assert net.best.reserve_micros == 1_000_000
    assert [row.net.total for row in net.rows] == pytest.approx([35_000, 45_000])


def test_the_written_policy_loads_whole_and_earns_what_was_promised(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    log = write_log(make_records(300))
    found = search_reserve(log, Billable.CLICK)
    path = tmp_path / "policy.yaml"
    path.write_text(found.policy_yaml())
    loaded = AuctionPolicy.load(path)
    assert loaded == found.policy
    assert loaded.exposure == policy.exposure
    assert loaded.reserve.click_micros == found.best.reserve_micros
    assert loaded.reserve.impression_micros == policy.reserve.impression_micros
    revenue = compare(log, loaded)["revenue_micros"]
    assert revenue.other == pytest.approx(found.best.revenue.total)
    assert revenue.difference == pytest.approx(found.best.revenue.difference)
    assert found.best.revenue.total == max(row.revenue.total for row in found.rows)
    assert len({row.reserve_micros for row in found.rows}) == len(found.rows)
    assert search_reserve(log, Billable.CLICK).to_json() == found.to_json()


def test_the_logged_reserve_changes_nothing(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    found = search_reserve(
        write_log(make_records(200)), Billable.CLICK, reserves=[policy.reserve.click_micros]
    )
    assert found.best.revenue.difference == 0
    assert found.best.organic_displaced.difference == 0


def test_the_policy_of_most_decisions_is_the_one_that_is_written(tmp_path: Path) -> None:
    rare = ONE_SLOT.model_copy(update={"name": "rare"})
    log = log_slates(tmp_path / "log", [slate(1_000_000, n) for n in range(3)], [rare, ONE_SLOT, ONE_SLOT])
    found = search_reserve(log, Billable.CLICK, reserves=[5])
    assert found.policy.name == "default-click-reserve"
    assert found.decisions == 3


def test_a_soft_floor_is_never_left_below_the_reserve() -> None:
    policy = ONE_SLOT.model_copy(update={"soft_floor": Reserve(click_micros=50, view_micros=7)})
    raised = with_reserve(policy, Billable.CLICK, 80)
    assert raised.soft_floor is not None
    assert (raised.reserve.click_micros, raised.soft_floor.click_micros) == (80, 80)
    assert raised.soft_floor.view_micros == 7
    kept = with_reserve(policy, Billable.CLICK, 20)
    assert kept.soft_floor == policy.soft_floor
    assert with_reserve(policy, Billable.VIEW, 3).reserve.click_micros == 0


def test_bids_are_those_a_reserve_meets(tmp_path: Path) -> None:
    """After the multiplier, in whole micros; one below the old reserve counts, losers too."""
    strict = with_reserve(ONE_SLOT, Billable.CLICK, 400_000)
    slates = [slate(1_000_001, 1, multiplier=0.5), slate(100, 2)]
    log = log_slates(tmp_path / "log", slates, [strict] * 2)
    bids = logged_bids(log, Billable.CLICK)
    assert sorted(bids.bid_micros.tolist()) == [100, 500_000]
    assert bids.segment("advertiser").tolist() == [1, 1]
    with pytest.raises(InputError, match="holds bids for: click"):
        logged_bids(log, Billable.VIEW)
    with pytest.raises(InputError, match="by"):
        bids.segment("surface")


def test_a_target_cost_bids_by_the_odds_of_its_goal(tmp_path: Path) -> None:
    """3.00 a conversion, which follows a tenth of the clicks, is .30 a click: that meets a reserve."""
    target = replace(slate(3_000_000, 1), goal=np.full(1, Billable.CONVERSION, np.int8))
    log = log_slates(tmp_path / "log", [target, slate(300_000, 2)], [ONE_SLOT] * 2)
    bids = logged_bids(log, Billable.CLICK)
    assert bids.bid_micros.tolist() == [300_000, 300_000]
    found = search_reserve(log, Billable.CLICK, reserves=[300_000, 300_001])
    assert [row.ads_shown for row in found.rows] == [2.0, 0.0]


def test_what_is_refused(tmp_path: Path) -> None:
    log = log_slates(tmp_path / "log", [slate(1_000_000, 1)], [ONE_SLOT])
    for reserves in ([], [-1], [1.5], [2**60], [True]):
        with pytest.raises(InputError, match="reserves"):
            search_reserve(log, Billable.CLICK, reserves=reserves)
    with pytest.raises(InputError, match="objective"):
        search_reserve(log, Billable.CLICK, objective="profit")
    with pytest.raises(InputError, match="folder"):
        search_reserve(tmp_path / "none", Billable.CLICK)
