"""Setting budgets: limits change, what was spent stays."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auction.day import LIFETIME
from serving.ledger.accounts import Key
from serving.ledger.database import Database
from serving.ledger.records import MAX_MICROS, BudgetLimit
from serving.ledger.tables import HELD, budget, event, lease, reservation

_ROW = (budget.c.campaign_id == sa.bindparam("at_campaign")) & (budget.c.day == sa.bindparam("at_day"))


def set_limits(database: Database, link: Connection, limits: Sequence[BudgetLimit]) -> None:
    """Write the limits. A limit below what was spent stops further charges and takes none back.

    A limit taken away (None) leaves its row with the largest limit there is: what was spent stays
    counted, should the limit come back, and late events of its days are still charged.

    A budget that is new for its campaign starts with what the campaign already spent, holds and
    leased on that day (or ever, for a lifetime): a limit added at noon counts the morning.
    """
    told = {(each.campaign_id, each.day): each.limit_micros for each in limits}
    wanted = {key: limit for key, limit in told.items() if limit is not None}
    lifted = {key: MAX_MICROS for key, limit in told.items() if limit is None}
    known = _known(database, link, wanted | lifted)
    if not wanted.keys() <= known.keys():
        if not database.is_sqlite:  # SQLite has one writer; here other writers wait for the new rows.
            link.execute(sa.text(f"LOCK TABLE {_qualified(link)} IN EXCLUSIVE MODE"))
            known = _known(database, link, wanted | lifted)
        _add(database, link, {key: limit for key, limit in wanted.items() if key not in known})
    rows = [
        {"at_campaign": campaign_id, "at_day": day, "limit": limit}
        for (campaign_id, day), limit in sorted((wanted | lifted).items())
        if known.get((campaign_id, day), limit) != limit
    ]
    if rows:
        link.execute(
            budget.update().where(_ROW).values(limit_micros=sa.bindparam("limit", type_=sa.BigInteger)), rows
        )


def _qualified(link: Connection) -> str:
    schema = (link.get_execution_options().get("schema_translate_map") or {}).get(None)
    quote = link.dialect.identifier_preparer.quote
    return quote(budget.name) if schema is None else f"{quote(schema)}.{quote(budget.name)}"


def _known(database: Database, link: Connection, wanted: dict[Key, int]) -> dict[Key, int]:
    query = sa.select(budget.c.campaign_id, budget.c.day, budget.c.limit_micros).where(
        database.among(budget.c.campaign_id, "campaigns"), database.among(budget.c.day, "days")
    )
    bound = {
        "campaigns": database.listed(sorted({campaign for campaign, _ in wanted})),
        "days": database.listed(sorted({day for _, day in wanted})),
    }
    found = {(row.campaign_id, row.day): row.limit_micros for row in link.execute(query, bound)}
    return {key: limit for key, limit in found.items() if key in wanted}


def _add(database: Database, link: Connection, wanted: dict[Key, int]) -> None:
    sums = {
        name: _sums(database, link, amount, wanted)
        for name, amount in (
            ("spent", event.c.charge_micros),
            ("price", event.c.price_micros),
            ("held", reservation.c.amount_micros),
            ("leased", lease.c.remaining_micros),
        )
    }
    rows = [
        {
            "campaign_id": key[0],
            "day": key[1],
            "limit_micros": limit,
            "spent_micros": sums["spent"].get(key, 0),
            "reserved_micros": sums["held"].get(key, 0),
            "leased_micros": sums["leased"].get(key, 0),
            "free_micros": sums["price"].get(key, 0) - sums["spent"].get(key, 0),
        }
        for key, limit in sorted(wanted.items())
    ]
    link.execute(budget.insert(), rows)


def _sums(
    database: Database, link: Connection, amount: sa.Column[int], wanted: dict[Key, int]
) -> dict[Key, int]:
    """`amount` summed for each wanted day, and over all days for each wanted lifetime."""
    table = amount.table
    per_day = (
        sa.select(table.c.campaign_id, table.c.day, sa.func.sum(amount))
        .where(database.among(table.c.campaign_id, "campaigns"))
        .group_by(table.c.campaign_id, table.c.day)
    )
    if table is event:
        per_day = per_day.where(event.c.price_micros.is_not(None))
    if table is reservation:
        per_day = per_day.where(reservation.c.state == HELD)
    sums: dict[Key, int] = {}
    days = sorted({day for _, day in wanted if day != LIFETIME})
    if days:  # Not the whole history: every midnight makes a new day for every campaign.
        bound = {
            "campaigns": database.listed(sorted({campaign for campaign, day in wanted if day != LIFETIME})),
            "days": database.listed(days),
        }
        for campaign_id, day, total in link.execute(
            per_day.where(database.among(table.c.day, "days")), bound
        ):
            sums[campaign_id, day] = int(total)
    lifelong = sorted(campaign for campaign, day in wanted if day == LIFETIME)
    if lifelong:
        for campaign_id, _, total in link.execute(per_day, {"campaigns": database.listed(lifelong)}):
            sums[campaign_id, LIFETIME] = sums.get((campaign_id, LIFETIME), 0) + int(total)
    return sums
