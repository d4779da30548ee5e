"""Leases: placements move from a replica's lease to reservations, and the lease is filled up."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auction.reservation import Reservation
from serving.ledger.accounts import Accounts, Key
from serving.ledger.database import Database
from serving.ledger.records import Slice, Want
from serving.ledger.tables import HELD, SETTLED, event, lease, replica, reservation


def renew(
    database: Database,
    link: Connection,
    replica_id: str,
    placements: Sequence[Reservation],
    wants: Sequence[Want],
    expires_at: float,
    share: float,
) -> list[Slice]:
    """Take over `placements`, then move each lease towards what is wanted.

    A placement is taken over once, however often it is told. One whose event was settled before it
    was told holds nothing: its charge already stands in the budget. One whose lease was lost (the
    replica was thought dead) is held all the same, because its ad was shown.
    """
    _beat(database, link, replica_id, expires_at)
    keys = {(each.campaign_id, each.day) for each in placements} | {(w.campaign_id, w.day) for w in wants}
    accounts = Accounts(database, link, keys)
    before = _leases(database, link, replica_id, keys)
    after = dict(before)
    _take_over(database, link, placements, accounts, after)
    for want in wants:
        key = (want.campaign_id, want.day)
        held = after.get(key, 0)
        if want.target_micros > held:
            after[key] = held + accounts.grant(
                *key, want.target_micros - held, share, want.least_micros - held
            )
        elif want.target_micros < held:
            accounts.move(*key, leased=want.target_micros - held)
            after[key] = want.target_micros
    _write(database, link, replica_id, before, after)
    accounts.save()
    return [Slice(campaign_id, day, after.get((campaign_id, day), 0)) for campaign_id, day in sorted(keys)]


def _beat(database: Database, link: Connection, replica_id: str, expires_at: float) -> None:
    link.execute(
        database.upsert(replica, ["replica_id"], ["expires_at"]),
        {"replica_id": replica_id, "expires_at": expires_at},
    )


def _leases(database: Database, link: Connection, replica_id: str, keys: Iterable[Key]) -> dict[Key, int]:
    query = sa.select(lease.c.campaign_id, lease.c.day, lease.c.remaining_micros).where(
        lease.c.replica_id == sa.bindparam("me"), database.among(lease.c.campaign_id, "campaigns")
    )
    bound = {"me": replica_id, "campaigns": database.listed({campaign for campaign, _ in keys})}
    wanted = set(keys)
    return {
        (row.campaign_id, row.day): row.remaining_micros
        for row in link.execute(query, bound)
        if (row.campaign_id, row.day) in wanted
    }


def _take_over(
    database: Database,
    link: Connection,
    placements: Sequence[Reservation],
    accounts: Accounts,
    leases: dict[Key, int],
) -> None:
    if not placements:
        return
    bound = {"placements": database.listed({each.placement_id for each in placements})}
    told = set(
        link.execute(
            sa.select(reservation.c.placement_id).where(
                database.among(reservation.c.placement_id, "placements")
            ),
            bound,
        ).scalars()
    )
    settled = set(
        link.execute(
            sa.select(event.c.placement_id).where(
                database.among(event.c.placement_id, "placements"),
                event.c.once.is_not(None),
                event.c.price_micros.is_not(None),
            ),
            bound,
        ).scalars()
    )
    rows = []
    for each in placements:
        if each.placement_id in told:
            continue
        told.add(each.placement_id)
        key = (each.campaign_id, each.day)
        from_lease = min(each.amount_micros, leases.get(key, 0))
        held = 0 if each.placement_id in settled else each.amount_micros
        if from_lease:
            leases[key] -= from_lease
        accounts.move(*key, leased=-from_lease, reserved=held)
        state = HELD if held else SETTLED
        rows.append((each.placement_id, *key, each.amount_micros, each.expires_at, state))
    database.add(link, reservation, rows)


def _write(
    database: Database, link: Connection, replica_id: str, before: dict[Key, int], after: dict[Key, int]
) -> None:
    changed = {key: left for key, left in sorted(after.items()) if before.get(key, 0) != left}
    upsert = database.upsert(lease, ["replica_id", "campaign_id", "day"], ["remaining_micros"])
    rows = [
        {"replica_id": replica_id, "campaign_id": campaign_id, "day": day, "remaining_micros": left}
        for (campaign_id, day), left in changed.items()
        if left
    ]
    if rows:
        link.execute(upsert, rows)
    gone = [
        {"me": replica_id, "at_campaign": campaign_id, "at_day": day}
        for (campaign_id, day), left in changed.items()
        if not left
    ]
    if gone:
        link.execute(
            lease.delete().where(
                lease.c.replica_id == sa.bindparam("me"),
                lease.c.campaign_id == sa.bindparam("at_campaign"),
                lease.c.day == sa.bindparam("at_day"),
            ),
            gone,
        )
