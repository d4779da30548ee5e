"""Money held for a placement that may still be charged."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reservation:
    """The expected charge of one placement, against one day of its campaign."""

    placement_id: str
    campaign_id: int
    day: str
    """ISO date in the account's zone, or ``lifetime``."""
    amount_micros: int
    expires_at: float
    """UTC seconds; from then on the money is free again."""


def expected_charge(price_micros: int, probability: float) -> int:
    """What to reserve for a placement: price times the chance of its billable event.

    Rounded up to whole micros and at least 1, so that a placement never holds nothing.
    """
    return max(1, math.ceil(price_micros * probability))
