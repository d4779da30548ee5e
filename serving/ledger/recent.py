"""Promises that are young enough to be kept still."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving.ledger.tables import HELD, reservation


def recent(link: Connection, within_s: float) -> dict[tuple[int, str], int]:
    """Micros held, by campaign and day, for what was placed within `within_s` of the newest placement.

    A reservation tells when it ends and not when it began. Placements of one service live equally long,
    so the one that ends last is the newest, and the others' age is how much earlier they end. Where
    lives differ (while a setting is rolled out), those that live shorter count as older than they are.
    """
    held = reservation.c.state == HELD
    newest = link.execute(sa.select(sa.func.max(reservation.c.expires_at)).where(held)).scalar()
    if newest is None:
        return {}
    rows = link.execute(
        sa.select(reservation.c.campaign_id, reservation.c.day, sa.func.sum(reservation.c.amount_micros))
        .where(held, reservation.c.expires_at >= newest - within_s)
        .group_by(reservation.c.campaign_id, reservation.c.day)
    )
    return {(campaign_id, day): int(total) for campaign_id, day, total in rows}
