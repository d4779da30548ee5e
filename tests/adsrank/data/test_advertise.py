from collections import Counter
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import TypeAdapter

from adsrank.catalog.entities import Account, Ad, AdGroup, Campaign
from adsrank.data.advertise import advertise
from adsrank.data.inventory import seconds
from auction.errors import InputError

KINDS: dict[str, Any] = {"account": Account, "campaign": Campaign, "ad_group": AdGroup, "ad": Ad}
PARENT = {
    "campaign": ("account_id", "account"),
    "ad_group": ("campaign_id", "campaign"),
    "ad": ("ad_group_id", "ad_group"),
}


def of_kind(rows, kind: str):
    return [row for row in rows if row["kind"] == kind]


def test_every_row_is_a_valid_catalog_entity(rows) -> None:
    for row in rows:
        TypeAdapter(KINDS[row["kind"]]).validate_python({k: v for k, v in row.items() if k != "kind"})


def test_ids_are_unique_and_parents_stand_before_their_children(rows) -> None:
    seen: dict[str, set[int]] = {kind: set() for kind in KINDS}
    for row in rows:
        assert row["id"] not in seen[row["kind"]]
        if row["kind"] in PARENT:
            key, kind = PARENT[row["kind"]]
            assert row[key] in seen[kind]
        seen[row["kind"]].add(row["id"])
    assert len(seen["account"]) == 60
    assert len(seen["ad"]) == 900


def test_equal_seeds_give_equal_rows(world, rows, end) -> None:
    assert advertise(world, 11, advertisers=60, ads=900, start=end) == rows
    assert advertise(world, 12, advertisers=60, ads=900, start=end) != rows


def test_every_billable_event_is_bid_for_and_fits_its_objective(rows) -> None:
    objective = {row["id"]: row["objective"] for row in of_kind(rows, "campaign")}
    pairs = Counter(
        (objective[row["campaign_id"]], row["billable_event"]) for row in of_kind(rows, "ad_group")
    )
    assert set(pairs) == {
        ("AWARENESS", "IMPRESSION"),
        ("CONSIDERATION", "CLICK"),
        ("CONVERSION", "CONVERSION"),
        ("CATALOG", "CLICK"),
    }


def test_the_three_bid_types_are_worth_about_the_same_an_impression(world, end) -> None:
    groups = of_kind(advertise(world, 3, advertisers=150, ads=1500, start=end), "ad_group")
    worth = {"IMPRESSION": 1 / 1000, "CLICK": 0.05, "CONVERSION": 0.05 * 0.05}
    medians = []
    for event, factor in worth.items():
        log_value = np.log([row["bid_micros"] * factor for row in groups if row["billable_event"] == event])
        medians.append(np.median(log_value))
        assert 0.3 < log_value.std() < 0.9
    assert max(medians) - min(medians) < np.log(1.5)


def test_the_market_is_mixed(world, end) -> None:
    rows = advertise(world, 3, advertisers=150, ads=1500, start=end)
    campaigns, groups, ads = of_kind(rows, "campaign"), of_kind(rows, "ad_group"), of_kind(rows, "ad")
    assert 0.01 < np.mean([row["status"] == "PAUSED" for row in campaigns]) < 0.12
    assert 0.2 < np.mean(["frequency_cap" in row for row in campaigns]) < 0.5
    assert 0.3 < np.mean(["targeting" in row for row in groups]) < 0.8
    assert {key for row in groups for key in row.get("targeting", {})} == {
        "countries",
        "languages",
        "devices",
        "surfaces",
        "interests",
    }
    assert {row["max_adjacent_risk"] for row in ads} == {"LOW", "MEDIUM", "HIGH"}
    assert {row["format"] for row in ads} == {"image", "video", "carousel", "collection"}
    zones = {row["time_zone"] for row in of_kind(rows, "account")}
    shift = {ZoneInfo(zone).utcoffset(end) for zone in zones}
    assert len(shift) >= 5
    starts = [seconds(row["start_time"]) > end.timestamp() for row in campaigns]
    ends = ["end_time" in row for row in campaigns]
    assert 0 < np.mean(starts) < 0.2
    assert 0.1 < np.mean(ends) < 0.5


def test_budgets_range_from_a_few_events_to_far_more(rows) -> None:
    daily = [row["daily_budget_micros"] for row in of_kind(rows, "campaign") if "daily_budget_micros" in row]
    assert np.quantile(daily, 0.9) > 8 * np.quantile(daily, 0.1)
    assert all("daily_budget_micros" in r or "lifetime_budget_micros" in r for r in of_kind(rows, "campaign"))
    with_both = [
        r for r in of_kind(rows, "campaign") if {"daily_budget_micros", "lifetime_budget_micros"} <= r.keys()
    ]
    assert with_both
    assert all(r["lifetime_budget_micros"] >= 7 * r["daily_budget_micros"] for r in with_both)


def test_more_traffic_means_larger_budgets(world, end) -> None:
    def total(per_day: int) -> int:
        rows = advertise(world, 3, advertisers=20, ads=200, start=end, requests_per_day=per_day)
        return sum(row.get("daily_budget_micros", 0) for row in of_kind(rows, "campaign"))

    assert total(1_000_000) > 20 * total(20_000)


def test_an_ad_promotes_a_pin_of_its_main_interest(world, rows) -> None:
    interest = dict(zip(world.pins.pin_id.tolist(), world.pins.interest.tolist(), strict=True))
    ads = of_kind(rows, "ad")
    assert all(row["interests"][0] == interest[row["description"].split()[-1]] for row in ads)
    assert len({row["description"] for row in ads}) == len(ads)


def test_more_ads_than_pins_promote_some_pins_twice_with_vectors_apart(world) -> None:
    rows = of_kind(advertise(world, 2, advertisers=10, ads=3300), "ad")
    promoted = Counter(row["description"] for row in rows)
    assert len(promoted) == 3000
    assert max(promoted.values()) >= 2
    vectors = np.array([row["embedding"] for row in rows])
    assert len(np.unique(vectors, axis=0)) == 3300
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_an_advertiser_trades_in_few_interests(world, rows) -> None:
    account = {row["id"]: row["account_id"] for row in of_kind(rows, "campaign")}
    campaign = {row["id"]: row["campaign_id"] for row in of_kind(rows, "ad_group")}
    topics: dict[int, set[int]] = {}
    for row in of_kind(rows, "ad"):
        topics.setdefault(account[campaign[row["ad_group_id"]]], set()).add(row["interests"][0] // 100)
    assert np.mean([len(some) for some in topics.values()]) < 2.5


def test_most_ads_are_older_than_the_market_and_a_few_come_later(rows, end) -> None:
    age = np.array([end.timestamp() - seconds(row["created_at"]) for row in of_kind(rows, "ad")])
    assert (age > timedelta(days=14).total_seconds()).mean() > 0.85
    assert 0.005 < (age < 0).mean() < 0.15


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("advertisers", {"advertisers": 0}), ("ads", {"ads": 3}), ("requests_per_day", {"requests_per_day": 0})],
)
def test_a_market_of_nothing_is_refused(world, name: str, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=name):
        advertise(world, 1, **{"advertisers": 10, "ads": 20, **wrong})
