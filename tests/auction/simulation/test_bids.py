"""Bid landscapes: the campaign's auctions held again at other bids."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from auction.auction import hold_auction
from auction.errors import InputError
from auction.log import DecisionLog
from auction.log.events import EventWriter, LoggedEvent
from auction.policy import AuctionPolicy
from auction.reason import Reason
from auction.simulation import landscape

CAMPAIGN = 20


@pytest.fixture
def folder(make_records: Callable, write_log: Callable) -> str:
    return write_log(make_records(1200), flush_records=300)


def by_hand(records: list, policy: AuctionPolicy, factor: float) -> dict[str, float]:
    totals = dict.fromkeys(("placements", "impressions", "clicks", "cost_micros", "conversions"), 0.0)
    for record in records:
        slate = record.slate
        own = slate.campaign_id == CAMPAIGN
        bid = np.where(own, np.rint(slate.bid_micros * factor).astype(np.int64), slate.bid_micros)
        outcome = hold_auction(replace(slate, bid_micros=bid), policy)
        for ad in np.flatnonzero(own & (outcome.position > 0)):
            look = outcome.exposure[ad]
            event = (1.0, slate.p_click[ad], slate.p_click_conversion[ad], slate.p_view[ad])[
                slate.billable[ad]
            ]
            totals["placements"] += 1
            totals["impressions"] += look
            totals["clicks"] += look * slate.p_click[ad]
            totals["cost_micros"] += look * event * outcome.price_micros[ad]
            totals["conversions"] += look * slate.p_click_conversion[ad]
    return totals


def test_rows_are_those_of_auctions_held_one_by_one(
    folder: str, make_records: Callable, policy: AuctionPolicy
) -> None:
    report = landscape(folder, CAMPAIGN, [0.5, 1.0, 2.0])
    records = make_records(1200)
    assert report.auctions == sum(CAMPAIGN in r.slate.campaign_id for r in records)
    for row in report.rows:
        for name, value in by_hand(records, policy, row.multiplier or 0).items():
            assert getattr(row, name) == pytest.approx(value), (row.multiplier, name)
    logged = [r.slate.bid_micros[r.slate.campaign_id == CAMPAIGN] for r in records]
    assert report.logged_bid_micros == round(np.concatenate(logged).mean())


def test_impressions_and_placements_rise_with_the_bid(folder: str) -> None:
    rows = landscape(folder, CAMPAIGN).rows
    assert [row.bid_micros for row in rows] == sorted(row.bid_micros for row in rows)
    for lower, higher in pairwise(rows):
        assert lower.impressions <= higher.impressions
        assert lower.clicks <= higher.clicks * 1.02
    assert rows[0].impressions < rows[-1].impressions


def test_the_row_at_the_logged_bid_is_what_the_log_says(folder: str) -> None:
    (row,) = landscape(folder, CAMPAIGN, [1.0]).rows
    shown = 0
    for record in DecisionLog(folder).records():
        own = record.slate.campaign_id == CAMPAIGN
        shown += int(np.count_nonzero(record.outcome.position[own]))
    assert row.placements == shown > 0
    assert not row.extrapolated


def test_auctions_lost_for_the_reserve_come_back_at_a_higher_bid(folder: str, make_records: Callable) -> None:
    lost = [
        record
        for record in make_records(1200)
        if Reason.BELOW_RESERVE in record.outcome.reason[record.slate.campaign_id == CAMPAIGN]
    ]
    assert lost
    low, high = landscape(folder, CAMPAIGN, [1.0, 3.0]).rows
    assert high.placements > low.placements


def test_rows_above_any_logged_bid_are_marked(folder: str) -> None:
    below, same, above = landscape(folder, CAMPAIGN, [0.9, 1.0, 1.1]).rows
    assert (below.extrapolated, same.extrapolated, above.extrapolated) == (False, False, True)


def test_bids_in_micros_replace_the_logged_ones(folder: str) -> None:
    report = landscape(folder, CAMPAIGN, bids_micros=[2_000_000, 500_000])
    assert [row.bid_micros for row in report.rows] == [500_000, 2_000_000]
    assert all(row.multiplier is None for row in report.rows)


def test_nothing_is_bought_at_a_bid_of_nothing(folder: str) -> None:
    (row,) = landscape(folder, CAMPAIGN, [0.0]).rows
    assert (row.placements, row.cost_micros) == (0, 0)


def test_no_row_costs_more_than_its_bids(folder: str) -> None:
    rows = landscape(folder, CAMPAIGN).rows
    costs = [row.cost_micros for row in rows]
    assert costs[0] < costs[-1]
    for row in rows:
        for interval, value in ((row.cost_interval, row.cost_micros), (row.clicks_interval, row.clicks)):
            assert interval.low is not None
            assert interval.low <= value <= (interval.high or 0)


def test_value_is_conversions_at_the_average_observed_order(folder: str) -> None:
    assert landscape(folder, CAMPAIGN, [1.0]).rows[0].value_micros is None
    record = next(DecisionLog(folder).records())
    order = LoggedEvent(
        event_id="o-1",
        placement_id="p",
        request_id=record.request_id,
        ad_id=1,
        campaign_id=CAMPAIGN,
        type="conversion",
        time=record.time,
        value_micros=30_000_000,
        charge_micros=0,
        status="recorded",
    )
    EventWriter(folder, "w").write(
        [
            order,
            replace(order, status="duplicate"),
            replace(order, event_id="o-2", value_micros=50_000_000),
            replace(order, event_id="o-3", campaign_id=CAMPAIGN + 1, value_micros=1),
            replace(order, event_id="o-4", type="click", value_micros=0),
        ]
    )
    report = landscape(folder, CAMPAIGN, [1.0])
    assert (report.orders, report.order_value_micros) == (2, 40_000_000)
    assert report.rows[0].value_micros == pytest.approx(report.rows[0].conversions * 40_000_000)
    assert report.to_json()["rows"][0]["value_micros"] == report.rows[0].value_micros


def test_a_campaign_that_never_took_part_is_named_with_near_ones(folder: str) -> None:
    with pytest.raises(InputError, match=r"campaign_id: 205 .* near ids that did: \d+"):
        landscape(folder, 205)


@pytest.mark.parametrize(
    "bad",
    [
        {"multipliers": [-1.0]},
        {"multipliers": [float("nan")]},
        {"multipliers": []},
        {"multipliers": [float(n) for n in range(101)]},
        {"bids_micros": [1.5]},
        {"bids_micros": [-3]},
        {"bids_micros": [2**60]},
        {"multipliers": [1.0], "bids_micros": [1]},
    ],
)
def test_bids_out_of_range_are_refused(bad: dict, folder: str) -> None:
    with pytest.raises(InputError, match=r"multipliers|bids_micros"):
        landscape(folder, CAMPAIGN, **bad)
