"""What the catalog tells the ledger of each campaign."""

from datetime import UTC, datetime

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from serving.refresh import campaign_budgets


def test_every_active_campaign_has_its_limits_and_room_for_its_dearest_placement() -> None:
    world = generate(3, users=50, pins=300)
    rows = advertise(world, 3, advertisers=10, ads=120, start=datetime.fromtimestamp(world.epoch, UTC))
    groups = [row for row in rows if row["kind"] == "ad_group"]
    for row in groups[::2]:
        if row["billable_event"] == "CLICK":
            row["bid_event"] = "CONVERSION"
    assert any("bid_event" in row for row in groups)
    snapshot = freeze_catalog(Catalog.of([parse_entity(row) for row in rows]))
    budgets = {each.campaign_id: each for each in campaign_budgets(snapshot)}
    campaigns = {row["id"]: row for row in rows if row["kind"] == "campaign"}
    chance = {"IMPRESSION": 0.001, "CLICK": 0.25, "CONVERSION": 0.05}
    assert set(budgets) == {number for number, row in campaigns.items() if row["status"] == "ACTIVE"}
    for number, budget in budgets.items():
        assert budget.daily_micros == campaigns[number].get("daily_budget_micros")
        assert budget.lifetime_micros == campaigns[number].get("lifetime_budget_micros")
        mine = [each for each in groups if each["campaign_id"] == number]
        goals = [each.get("bid_event", each["billable_event"]) for each in mine]
        dearest = max(each["bid_micros"] * chance[goal] for each, goal in zip(mine, goals, strict=True))
        assert abs(budget.largest_bid_micros - dearest) <= 1
