"""Events in, charges out: each billable event charged once, never past the budget."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auction.billable import Billable
from serving.ledger.accounts import Accounts
from serving.ledger.database import Database
from serving.ledger.records import EventType, PlacementEvent, Settlement, Status
from serving.ledger.tables import HELD, SETTLED, event, reservation

SKEW_S = 300.0
"""How far a client's clock may be off."""
MAX_VALUE_MICROS = 2**53

_BILLED = {
    Billable.IMPRESSION: EventType.IMPRESSION,
    Billable.CLICK: EventType.CLICK,
    Billable.CONVERSION: EventType.CONVERSION,
    Billable.VIEW: EventType.VIEW,
}
_ONCE = (EventType.IMPRESSION, EventType.CLICK, EventType.VIEW)


def settle(
    database: Database, link: Connection, events: Sequence[PlacementEvent], now: float
) -> list[Settlement]:
    """Record what is new, charge what is billable: one answer an event, in the order given.

    The charge is the token's price or what the day's and the lifetime's budget can still pay,
    whichever is less; so the sum charged does not depend on the order of events.
    """
    answers = [_refused(each, now) for each in events]
    tried = [each for each, answer in zip(events, answers, strict=True) if answer is None]
    accounts = Accounts(database, link, {(e.placement.campaign_id, e.placement.day) for e in tried})
    ids, once = _seen(database, link, tried)
    rows: list[tuple[object, ...]] = []
    billed: list[str] = []
    settled: list[Settlement] = []
    for each, refusal in zip(events, answers, strict=True):
        if refusal is not None:
            settled.append(refusal)
            continue
        placement, kind = each.placement, each.type
        mark = (placement.placement_id, kind.value)
        if each.event_id in ids or (kind in _ONCE and mark in once):
            settled.append(Settlement(each.event_id, Status.DUPLICATE))
            continue
        ids.add(each.event_id)
        price = paid = None
        if kind is _BILLED[placement.billable] and mark not in once:
            price = placement.price_micros
            paid = accounts.charge(placement.campaign_id, placement.day, price)
            billed.append(placement.placement_id)
        single = kind.value if kind in _ONCE or price is not None else None
        if single is not None:
            once.add(mark)
        rows.append(_row(each, single, price, paid))
        settled.append(_answer(each.event_id, price, paid))
    database.add(link, event, rows)
    _release(database, link, billed, accounts)
    accounts.save()
    return settled


def _refused(each: PlacementEvent, now: float) -> Settlement | None:
    placement = each.placement
    if max(now, each.time) > placement.expires_at:
        return Settlement(each.event_id, Status.EXPIRED)
    in_time = placement.issued_at - SKEW_S <= each.time <= now + SKEW_S  # False for a NaN.
    if not in_time or not 0 <= each.value_micros <= MAX_VALUE_MICROS:
        return Settlement(each.event_id, Status.INVALID)
    return None


def _seen(
    database: Database, link: Connection, events: list[PlacementEvent]
) -> tuple[set[str], set[tuple[str, str]]]:
    """Event ids of `events` that stand in the ledger, and what their placements can have only once."""
    if not events:
        return set(), set()
    ids = link.execute(
        sa.select(event.c.event_id).where(database.among(event.c.event_id, "ids")),
        {"ids": database.listed({each.event_id for each in events})},
    ).scalars()
    once = link.execute(
        sa.select(event.c.placement_id, event.c.once).where(
            database.among(event.c.placement_id, "placements"), event.c.once.is_not(None)
        ),
        {"placements": database.listed({each.placement.placement_id for each in events})},
    )
    return set(ids), {(placement_id, kind) for placement_id, kind in once}


def _row(each: PlacementEvent, once: str | None, price: int | None, paid: int | None) -> tuple[object, ...]:
    placement = each.placement
    return (
        each.event_id,
        placement.placement_id,
        once,
        placement.campaign_id,
        placement.day,
        placement.ad_id,
        each.type.value,
        each.time,
        each.value_micros,
        price,
        paid,
    )


def _answer(event_id: str, price: int | None, paid: int | None) -> Settlement:
    if price is None or paid is None:
        return Settlement(event_id, Status.RECORDED)
    return Settlement(event_id, Status.FREE if price and not paid else Status.CHARGED, paid, price - paid)


def _release(database: Database, link: Connection, placements: list[str], accounts: Accounts) -> None:
    """What was held for billed placements is free again: the charge stands in its place."""
    if not placements:
        return
    freed = link.execute(
        reservation.update()
        .where(database.among(reservation.c.placement_id, "placements"), reservation.c.state == HELD)
        .values(state=SETTLED)
        .returning(reservation.c.campaign_id, reservation.c.day, reservation.c.amount_micros),
        {"placements": database.listed(placements)},
    ).all()
    for campaign_id, day, amount in freed:
        accounts.move(campaign_id, day, reserved=-amount)
