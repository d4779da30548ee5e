"""Catalog rows in the form of a file, with what a test does not care about filled in."""

from typing import Any

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.entities import Entity
from adsrank.catalog.file import parse_entity

Row = dict[str, Any]


def account(id: int = 1, **more: Any) -> Row:
    return {"kind": "account", "id": id, "name": f"account {id}"} | more


def campaign(id: int = 10, account_id: int = 1, **more: Any) -> Row:
    row = {"kind": "campaign", "id": id, "account_id": account_id, "name": f"campaign {id}"}
    return row | {"objective": "CONVERSION", "daily_budget_micros": 5_000_000} | more


def ad_group(id: int = 100, campaign_id: int = 10, **more: Any) -> Row:
    row = {"kind": "ad_group", "id": id, "campaign_id": campaign_id, "name": f"group {id}"}
    return row | {"billable_event": "CLICK", "bid_micros": 250_000} | more


def ad(id: int = 1000, ad_group_id: int = 100, **more: Any) -> Row:
    row = {"kind": "ad", "id": id, "ad_group_id": ad_group_id, "name": f"ad {id}"}
    vector = {"embedding": [3.0, 4.0], "embedding_space": "test-v1"}
    return row | {"destination_url": "https://shop.example/a", "interests": [7]} | vector | more


def entity(row: Row) -> Entity:
    parsed = parse_entity(row)
    assert isinstance(parsed, Entity), parsed
    return parsed


def catalog_of(*rows: Row) -> Catalog:
    return Catalog.of(entity(row) for row in rows)
