"""Money whose time is up goes back: reservations nobody settled, leases of replicas that died."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving.ledger.accounts import Accounts
from serving.ledger.database import Database
from serving.ledger.tables import HELD, RELEASED, SETTLED, lease, replica, reservation

KEEP_S = 86_400.0
"""How long a closed reservation is remembered, so that a placement told late holds nothing again."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What one sweep gave back."""

    reservations: int
    reserved_micros: int
    replicas: int
    leased_micros: int


def expire(database: Database, link: Connection, now: float, most: int) -> Expired:
    """Release at most `most` overdue reservations, and all leases of replicas past their time."""
    dead = list(
        link.execute(
            sa.select(replica.c.replica_id)
            .where(replica.c.expires_at <= now)
            .order_by(replica.c.replica_id)
            .with_for_update()
        ).scalars()
    )
    of_dead = {"dead": database.listed(dead)}
    leases = link.execute(
        sa.select(lease.c.campaign_id, lease.c.day).where(database.among(lease.c.replica_id, "dead")), of_dead
    ).all()
    overdue = link.execute(
        sa.select(reservation.c.placement_id, reservation.c.campaign_id, reservation.c.day)
        .where(reservation.c.state == HELD, reservation.c.expires_at <= now)
        .order_by(reservation.c.expires_at)
        .limit(most)
    ).all()
    accounts = Accounts(
        database,
        link,
        {(row.campaign_id, row.day) for row in leases} | {(row.campaign_id, row.day) for row in overdue},
    )
    released = link.execute(
        reservation.update()
        .where(database.among(reservation.c.placement_id, "placements"), reservation.c.state == HELD)
        .values(state=RELEASED)
        .returning(reservation.c.campaign_id, reservation.c.day, reservation.c.amount_micros),
        {"placements": database.listed(row.placement_id for row in overdue)},
    ).all()
    for campaign_id, day, amount in released:
        accounts.move(campaign_id, day, reserved=-amount)
    returned = link.execute(
        lease.delete()
        .where(database.among(lease.c.replica_id, "dead"))
        .returning(lease.c.campaign_id, lease.c.day, lease.c.remaining_micros),
        of_dead,
    ).all()
    for campaign_id, day, amount in returned:
        accounts.move(campaign_id, day, leased=-amount)
    link.execute(replica.delete().where(database.among(replica.c.replica_id, "dead")), of_dead)
    link.execute(
        reservation.delete().where(
            reservation.c.state.in_([SETTLED, RELEASED]), reservation.c.expires_at <= now - KEEP_S
        )
    )
    accounts.save()
    return Expired(
        len(released), sum(row.amount_micros for row in released), len(dead), sum(row[2] for row in returned)
    )
