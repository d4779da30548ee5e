"""What a search for a reserve found, in a form to print or to send."""

from dataclasses import asdict, dataclass
from typing import Any

import yaml

from auction.policy import AuctionPolicy


@dataclass(frozen=True, slots=True)
class Change:
    """A total under the reserve, less the same under the logged policy, with its paired interval."""

    total: float
    difference: float
    low: float | None
    """Null where the log has fewer than two groups of users."""
    high: float | None


@dataclass(frozen=True, slots=True)
class ReserveRow:
    """What one reserve brings over the log."""

    reserve_micros: int
    revenue: Change
    """Micros, expected."""
    organic_displaced: Change
    """Micros of organic value that the ads push away."""
    net: Change
    """Revenue less organic value lost."""
    ads_shown: float
    fill: float
    """Share of decisions that show an ad."""
    clicks: float


@dataclass(frozen=True, slots=True)
class ReserveSearch:
    """The reserves that were tried, and the best of them."""

    log: str
    event: str
    objective: str
    decisions: int
    logged_revenue_micros: float
    logged_organic_displaced_micros: float
    logged_fill: float
    rows: tuple[ReserveRow, ...]
    """By reserve, rising."""
    best: ReserveRow
    held_out_gain: Change | None
    """Of the objective; null where a half of the users is empty."""
    policy: AuctionPolicy
    """The policy of most decisions, with the best reserve: whole, its exposure included."""
    method: str
    notes: tuple[str, ...]

    def policy_yaml(self) -> str:
        """The policy as a file that `AuctionPolicy.load` reads."""
        return yaml.safe_dump(self.policy.model_dump(mode="json"), sort_keys=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        fields = ("log", "event", "objective", "decisions", "logged_revenue_micros", "logged_fill", "method")
        return {
            **{name: getattr(self, name) for name in fields},
            "logged_organic_displaced_micros": self.logged_organic_displaced_micros,
            "rows": [asdict(row) for row in self.rows],
            "best": asdict(self.best),
            "held_out_gain": None if self.held_out_gain is None else asdict(self.held_out_gain),
            "policy": self.policy.model_dump(mode="json"),
            "notes": list(self.notes),
        }
