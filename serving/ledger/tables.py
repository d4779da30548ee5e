"""The ledger's tables, the same on SQLite and PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

VERSION = 1

HELD = "held"
SETTLED = "settled"
RELEASED = "released"

metadata = MetaData()

ledger_version = Table("ledger_version", metadata, Column("version", Integer, primary_key=True))

# All reservations, leases and charges of a day also count in the campaign's row 'lifetime'.
budget = Table(
    "budget",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Text, primary_key=True),
    Column("limit_micros", BigInteger, nullable=False),
    Column("spent_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("reserved_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("leased_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("free_micros", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("limit_micros >= 0", name="budget_limit"),
    CheckConstraint("spent_micros >= 0", name="budget_spent"),
    CheckConstraint("reserved_micros >= 0", name="budget_reserved"),
    CheckConstraint("leased_micros >= 0", name="budget_leased"),
    CheckConstraint("free_micros >= 0", name="budget_free"),
)

# One heartbeat for all leases of a replica, so that ten thousand idle leases cost one row a second.
replica = Table(
    "replica",
    metadata,
    Column("replica_id", Text, primary_key=True),
    Column("expires_at", Double, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("replica_id", Text, primary_key=True),
    Column("campaign_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Text, primary_key=True),
    Column("remaining_micros", BigInteger, nullable=False),
    CheckConstraint("remaining_micros >= 0", name="lease_remaining"),
)

reservation = Table(
    "reservation",
    metadata,
    Column("placement_id", Text, primary_key=True),
    Column("campaign_id", BigInteger, nullable=False),
    Column("day", Text, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Index("reservation_expiry", "state", "expires_at"),
)

# What happened, and what was charged for it. An event id stands once, and a placement once in `once`:
# its impression, its click, and the conversion that was billed; other events have no value there.
# A billed event has a price, and a charge that is less where its budget ended.
event = Table(
    "event",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("placement_id", Text, nullable=False),
    Column("once", Text),
    Column("campaign_id", BigInteger, nullable=False),
    Column("day", Text, nullable=False),
    Column("ad_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", Double, nullable=False),
    Column("value_micros", BigInteger, nullable=False),
    Column("price_micros", BigInteger),
    Column("charge_micros", BigInteger),
    CheckConstraint(
        "charge_micros >= 0 AND charge_micros <= price_micros", name="event_charge_at_most_price"
    ),
    Index("event_campaign", "campaign_id", "day"),
)
_once = text("once IS NOT NULL")
Index(
    "event_once", event.c.placement_id, event.c.once, unique=True, sqlite_where=_once, postgresql_where=_once
)
