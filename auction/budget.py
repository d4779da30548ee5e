"""What may still be promised: the budgets as the auction sees them, without a database."""

from typing import Protocol

import numpy as np

from auction.lease import Lease, LeasedBudgets
from auction.slate import Float64, Int64

__all__ = ["UNLIMITED", "Budgets", "Lease", "LeasedBudgets", "OpenBudgets"]

UNLIMITED = 2**53
"""Micros that stand for "no limit"; far from overflow when summed."""


class Budgets(Protocol):
    """Budgets of campaigns, asked once per request with the campaigns of its candidates."""

    def available(self, campaign_id: Int64, now: float) -> Int64:
        """Micros that may still be promised for each of the campaigns int64 [n]; 0 when unknown."""
        ...

    def multiplier(self, campaign_id: Int64, now: float) -> Float64:
        """Pacing multiplier in (0, 1] of each of the campaigns int64 [n]."""
        ...

    def reserve(
        self, placement_id: str, campaign_id: int, amount_micros: int, now: float, expires_at: float
    ) -> None:
        """Hold the expected charge of an ad that was placed (`reservation.expected_charge`)."""
        ...

    def release(self, placement_id: str) -> bool:
        """Give back what is held for an ad that is not shown; False where nothing was."""
        ...


class OpenBudgets:
    """No budget limits anything: for benches and for the replay of logs without budgets."""

    def available(self, campaign_id: Int64, now: float) -> Int64:
        return np.full(len(campaign_id), UNLIMITED, np.int64)

    def multiplier(self, campaign_id: Int64, now: float) -> Float64:
        return np.ones(len(campaign_id), np.float64)

    def reserve(
        self, placement_id: str, campaign_id: int, amount_micros: int, now: float, expires_at: float
    ) -> None:
        return None

    def release(self, placement_id: str) -> bool:
        return False
