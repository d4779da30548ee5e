"""The catalog's tables: one a kind, and one of versions. Times are epoch seconds, money is micros."""

import json
from array import array
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

from adsrank.catalog.entities import KINDS, Ad, Entity
from adsrank.catalog.relations import KIND_OF

metadata = MetaData()


def _id() -> Column[int]:
    return Column("id", BigInteger, primary_key=True, autoincrement=False)


def _parent(name: str, above: str) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(f"{above}.id"), nullable=False, index=True)


def _schedule() -> list[Column[Any]]:
    return [
        Column("status", String(16), nullable=False),
        Column("start_time", BigInteger),
        Column("end_time", BigInteger),
    ]


account = Table(
    "account",
    metadata,
    _id(),
    Column("name", String(255), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("time_zone", String(64), nullable=False),
)
campaign = Table(
    "campaign",
    metadata,
    _id(),
    _parent("account_id", "account"),
    Column("name", String(255), nullable=False),
    *_schedule(),
    Column("objective", String(16), nullable=False),
    Column("daily_budget_micros", BigInteger),
    Column("lifetime_budget_micros", BigInteger),
    Column("pacing", String(16), nullable=False),
    Column("frequency_cap", Text, comment="JSON"),
)
ad_group = Table(
    "ad_group",
    metadata,
    _id(),
    _parent("campaign_id", "campaign"),
    Column("name", String(255), nullable=False),
    *_schedule(),
    Column("billable_event", String(16), nullable=False),
    Column("bid_event", String(16)),
    Column("bid_strategy", String(16), nullable=False),
    Column("bid_micros", BigInteger, nullable=False),
    Column("targeting", Text, nullable=False, comment="JSON"),
)
ad = Table(
    "ad",
    metadata,
    _id(),
    _parent("ad_group_id", "ad_group"),
    Column("name", String(255), nullable=False),
    Column("status", String(16), nullable=False),
    Column("format", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("destination_url", Text, nullable=False),
    Column("interests", Text, nullable=False, comment="JSON, the main one first"),
    Column("embedding", LargeBinary, comment="32-bit floats, little-endian"),
    Column("embedding_space", String(64)),
    Column("max_adjacent_risk", String(8), nullable=False),
    Column("policy_labels", Text, nullable=False, comment="JSON"),
    Column("created_at", BigInteger),
)
version = Table(
    "catalog_version",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("applied_at", BigInteger, nullable=False),
    Column("entities", Integer, nullable=False),
)

TABLES = {"account": account, "campaign": campaign, "ad_group": ad_group, "ad": ad}

_JSON = ("frequency_cap", "targeting", "interests", "policy_labels")
_TIMES = ("start_time", "end_time", "created_at")


def to_row(entity: Entity) -> dict[str, Any]:
    """Column values of `entity`."""
    row = entity.model_dump(mode="json", exclude={"embedding"})
    for name in _JSON:
        if row.get(name) is not None:
            row[name] = json.dumps(row[name], separators=(",", ":"))
    for name in _TIMES:
        value = getattr(entity, name, None)
        if name in row:
            row[name] = None if value is None else int(value.timestamp())
    if isinstance(entity, Ad):
        vector = entity.embedding
        row["embedding"] = (
            None if vector is None else np.frombuffer(vector, np.float32).astype("<f4").tobytes()
        )
    return row


def from_row(kind: str, row: dict[str, Any]) -> Entity:
    """The entity of a stored row, validated again: a database can be edited by other hands."""
    for name in _JSON:
        if row.get(name) is not None:
            row[name] = json.loads(row[name])
    for name in _TIMES:
        if row.get(name) is not None:
            row[name] = datetime.fromtimestamp(row[name], UTC)
    if row.get("embedding") is not None:
        row["embedding"] = array("f", np.frombuffer(row["embedding"], "<f4").astype(np.float32).tobytes())
    return KINDS[kind].model_validate(row)


def kind_of(entity: Entity) -> str:
    """``campaign`` of a `Campaign`."""
    return KIND_OF[type(entity)]
