"""A campaign's account as numbers."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving.ledger.records import Balance, DayStatement, EventType, Statement
from serving.ledger.tables import budget, event


def statement(link: Connection, campaign_id: int) -> Statement:
    """Budgets, and charges and events added up from their own rows (not from the budgets' counters)."""
    balances = link.execute(
        sa.select(budget).where(budget.c.campaign_id == campaign_id).order_by(budget.c.day)
    )
    days = link.execute(
        sa.select(
            event.c.day,
            sa.func.count(),
            sa.func.sum(event.c.charge_micros),
            sa.func.sum(event.c.price_micros),
        )
        .where(event.c.campaign_id == campaign_id, event.c.price_micros.is_not(None))
        .group_by(event.c.day)
        .order_by(event.c.day)
    )
    events = link.execute(
        sa.select(event.c.type, sa.func.count(), sa.func.sum(event.c.value_micros))
        .where(event.c.campaign_id == campaign_id)
        .group_by(event.c.type)
        .order_by(event.c.type)
    ).all()
    return Statement(
        campaign_id,
        balances=tuple(Balance(*row) for row in balances),
        days=tuple(DayStatement(day, n, int(paid), int(price) - int(paid)) for day, n, paid, price in days),
        events={EventType(kind): count for kind, count, _ in events},
        value_micros=sum(int(value) for kind, _, value in events if kind == EventType.CONVERSION),
    )
