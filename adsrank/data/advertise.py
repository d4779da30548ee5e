"""Advertisers for a world: accounts, campaigns, ad groups and promoted pins, as rows of a catalog file."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from adsrank.data.creative import Creatives, iso
from adsrank.data.population import COUNTRIES, DEVICES
from adsrank.data.world import World
from auction.errors import InputError

Row = dict[str, Any]

FIRST_ACCOUNT, FIRST_CAMPAIGN, FIRST_AD_GROUP = 1_001, 20_001, 300_001
_TIME_ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Europe/Berlin",
    "Europe/London",
    "Asia/Tokyo",
    "Australia/Sydney",
    "UTC",
)
_OBJECTIVES = ("AWARENESS", "CONSIDERATION", "CONVERSION", "CATALOG")
_OBJECTIVE_SHARE = (0.25, 0.40, 0.22, 0.13)
_BILLABLE = {
    "AWARENESS": "IMPRESSION",
    "CONSIDERATION": "CLICK",
    "CONVERSION": "CONVERSION",
    "CATALOG": "CLICK",
}
# What one event is typically worth, so that all three bid types meet at about the same eCPM: a click
# comes from some 5 % of those who see an ad worth showing, and some 5 % of clicks convert.
CLICK_VALUE_MICROS = 450_000
_CLICK_RATE, _CONVERSION_RATE = 0.05, 0.05
# Four ads a page, seen every second time, at a little above the typical worth: those shown are the best.
_SPEND_PER_REQUEST_MICROS = 4 * 0.5 * 1.25 * CLICK_VALUE_MICROS * _CLICK_RATE


def advertise(
    world: World,
    seed: int,
    advertisers: int = 150,
    ads: int = 4000,
    start: datetime | None = None,
    requests_per_day: int = 20_000,
) -> list[Row]:
    """Catalog rows (`kind` account, campaign, ad_group or ad; parents before children).

    Each ad promotes a pin of the world, of an interest its advertiser trades in, and carries the pin's
    vector; no pin is promoted twice before all are, and a second promotion has a vector a little apart.
    Bids are log-normal around one value of a click, whatever the billable event. Daily budgets are
    log-normal around a campaign's share of the money that `requests_per_day` would spend, so some
    campaigns run out by noon and some never do. `start` (default: the world's epoch) is where the
    market opens; most ads are older, a few begin within the two weeks after.

    Raises:
        InputError: a count below 1, or fewer ads than advertisers.
    """
    for name, value in (("advertisers", advertisers), ("requests_per_day", requests_per_day)):
        if value < 1:
            raise InputError(name, value, "give at least 1")
    if ads < advertisers:
        raise InputError("ads", ads, f"give at least one for each of the {advertisers} advertisers")
    start = datetime.fromtimestamp(world.epoch, UTC) if start is None else _utc(start)
    rng = np.random.default_rng([seed, 0xAD])
    share = rng.dirichlet(np.full(advertisers, 1.5))
    size = 1 + np.floor(share * (ads - advertisers)).astype(np.int64)
    size[: ads - int(size.sum())] += 1
    owner = np.repeat(np.arange(advertisers), size)
    creatives = Creatives(rng, world, owner, start)

    rows: list[Row] = []
    campaigns: list[Row] = []
    next_campaign, next_group = FIRST_CAMPAIGN, FIRST_AD_GROUP
    for number in range(advertisers):
        account = FIRST_ACCOUNT + number
        worth = CLICK_VALUE_MICROS * rng.lognormal(0.0, 0.45)
        rows.append(
            {
                "kind": "account",
                "id": account,
                "name": f"Advertiser {number + 1}",
                "currency": "USD",
                "time_zone": _TIME_ZONES[rng.choice(len(_TIME_ZONES))],
            }
        )
        mine = np.flatnonzero(owner == number)
        for of_campaign in np.array_split(mine, min(len(mine), 1 + rng.binomial(4, 0.45))):
            campaign = _campaign(rng, next_campaign, account, start)
            campaigns.append(campaign)
            rows.append(campaign)
            next_campaign += 1
            for of_group in np.array_split(of_campaign, min(len(of_campaign), 1 + rng.binomial(2, 0.4))):
                leaves = np.unique(creatives.leaf[of_group])
                group = _ad_group(rng, next_group, campaign, worth, leaves)
                rows.append(group)
                next_group += 1
                rows += [creatives.row(n, group["id"]) for n in of_group.tolist()]
    _fund(rng, campaigns, rows, requests_per_day)
    return rows


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _campaign(rng: np.random.Generator, number: int, account: int, start: datetime) -> Row:
    objective = _OBJECTIVES[rng.choice(len(_OBJECTIVES), p=_OBJECTIVE_SHARE)]
    opens = start - timedelta(days=int(rng.integers(20, 90)))
    if rng.random() < 0.06:
        opens = start + timedelta(hours=int(rng.integers(1, 14 * 24)))
    row: Row = {
        "kind": "campaign",
        "id": number,
        "account_id": account,
        "name": f"Campaign {number} {objective.lower()}",
        "status": "PAUSED" if rng.random() < 0.05 else "ACTIVE",
        "objective": objective,
        "pacing": "ACCELERATED" if rng.random() < 0.15 else "STANDARD",
        "start_time": iso(opens),
    }
    if rng.random() < 0.3:
        row["end_time"] = iso(max(opens, start) + timedelta(days=int(rng.integers(10, 60))))
    if rng.random() < 0.35:
        row["frequency_cap"] = {
            "event": "IMPRESSION" if rng.random() < 0.8 else "CLICK",
            "interval_days": int(rng.choice([1, 7, 30])),
            "max_frequency": int(rng.integers(2, 9)),
        }
    return row


def _ad_group(rng: np.random.Generator, number: int, campaign: Row, worth: float, leaves: np.ndarray) -> Row:
    billable = _BILLABLE[campaign["objective"]]
    value = worth * rng.lognormal(0.0, 0.3)
    if billable == "IMPRESSION":
        bid = max(1, round(value * _CLICK_RATE)) * 1000
    elif billable == "CLICK":
        bid = max(1, round(value))
    else:
        bid = max(1, round(value / _CONVERSION_RATE))
    targeting: dict[str, list[Any]] = {}
    if rng.random() < 0.35:
        some = rng.choice(len(COUNTRIES), int(rng.integers(1, 5)), replace=False)
        # Half of those who choose countries choose the largest one among them.
        if rng.random() < 0.5:
            some = np.union1d(some, [0])
        targeting["countries"] = sorted(COUNTRIES[k].code for k in some)
    if rng.random() < 0.15:
        targeting["devices"] = sorted(rng.choice(DEVICES, int(rng.integers(1, 3)), replace=False).tolist())
    if rng.random() < 0.08:
        targeting["languages"] = ["en"]
    if rng.random() < 0.10:
        targeting["surfaces"] = ["home", "related"]
    if rng.random() < 0.12:
        targeting["interests"] = [int(leaf) for leaf in leaves[:16]]
    row: Row = {
        "kind": "ad_group",
        "id": number,
        "campaign_id": campaign["id"],
        "name": f"Ad group {number}",
        "status": "PAUSED" if rng.random() < 0.03 else "ACTIVE",
        "billable_event": billable,
        "bid_strategy": "MAX_BID",
        "bid_micros": bid,
    }
    if targeting:
        row["targeting"] = targeting
    return row


def _fund(rng: np.random.Generator, campaigns: list[Row], rows: list[Row], requests_per_day: int) -> None:
    """Give each campaign its budgets, by the bids and the number of ads it competes with."""
    groups = {row["id"]: row for row in rows if row["kind"] == "ad_group"}
    ads: dict[int, int] = {}
    floor: dict[int, int] = {}
    for row in rows:
        if row["kind"] == "ad":
            group = groups[row["ad_group_id"]]
            campaign = group["campaign_id"]
            ads[campaign] = ads.get(campaign, 0) + 1
            # Never less than a few clicks' worth: a budget that one event exhausts tests nothing else.
            least = {"IMPRESSION": 0.1, "CLICK": 3.0, "CONVERSION": 3.0}[group["billable_event"]]
            floor[campaign] = max(floor.get(campaign, 0), round(least * group["bid_micros"]))
    total = sum(ads.values())
    for campaign_row in campaigns:
        number = campaign_row["id"]
        fair = requests_per_day * _SPEND_PER_REQUEST_MICROS * ads[number] / total
        daily = max(round(1.2 * fair * rng.lognormal(0.0, 1.1)), floor[number])
        kind = rng.random()
        if kind < 0.9:
            campaign_row["daily_budget_micros"] = daily
        if kind > 0.75:
            campaign_row["lifetime_budget_micros"] = daily * int(rng.integers(7, 31))
