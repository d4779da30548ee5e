"""Short ways to say what happened to an ad."""

from auction.billable import Billable
from auction.reservation import Reservation
from serving.ledger import BudgetLimit, EventType, Ledger, PlacementEvent
from serving.token import Placement

NOW = 1_780_000_000.0
DAY = "2026-05-28"
CAMPAIGN = 2**53 + 1
"""Not a float: an id that lost its last bit would be another campaign."""


def placement(
    number: int | str,
    price: int = 100,
    *,
    campaign: int = CAMPAIGN,
    billable: Billable = Billable.CLICK,
    day: str = DAY,
    life_s: float = 3600.0,
) -> Placement:
    return Placement(
        placement_id=f"p{number}",
        request_id=f"r{number}",
        ad_id=2**60 + 7,
        campaign_id=campaign,
        advertiser_id=5,
        day=day,
        billable=billable,
        price_micros=price,
        position=4,
        issued_at=NOW,
        expires_at=NOW + life_s,
        destination="https://shop.example/item",
    )


def happened(
    event_id: str, placed: Placement, kind: EventType = EventType.CLICK, time: float = NOW + 1, value: int = 0
) -> PlacementEvent:
    return PlacementEvent(event_id, kind, time, placed, value)


def held(
    number: int | str, amount: int = 10, *, campaign: int = CAMPAIGN, day: str = DAY, life_s: float = 60.0
) -> Reservation:
    return Reservation(f"p{number}", campaign, day, amount, NOW + life_s)


def budget(limit: int, day: str = DAY, campaign: int = CAMPAIGN) -> BudgetLimit:
    return BudgetLimit(campaign, day, limit)


def amounts(ledger: Ledger, day: str = DAY, campaign: int = CAMPAIGN) -> dict[str, int]:
    """What is not zero in a budget."""
    row = next(each for each in ledger.balances([campaign]) if each.day == day)
    named = {
        "spent": row.spent_micros,
        "reserved": row.reserved_micros,
        "leased": row.leased_micros,
        "free": row.free_micros,
    }
    return {name: amount for name, amount in named.items() if amount}
