"""A bid landscape: what one campaign would get at other bids, all else as logged."""

from dataclasses import asdict, dataclass
from typing import Any

from auction.replay.interval import Interval


@dataclass(frozen=True, slots=True)
class BidRow:
    """One bid. Counts and money are expectations over the logged auctions, from the logged model."""

    multiplier: float | None
    """Factor on every logged bid; null for a bid given in micros."""
    bid_micros: int
    """Mean bid of the campaign's candidates, per event that is bid for, before pacing."""
    placements: int
    """Ads of the campaign in a feed."""
    impressions: float
    """Examined placements: the sum of their exposures."""
    clicks: float
    cost_micros: float
    conversions: float
    value_micros: float | None
    """Conversions times the average observed order value; null where no order was observed."""
    impressions_interval: Interval
    clicks_interval: Interval
    cost_interval: Interval
    conversions_interval: Interval
    extrapolated: bool
    """Some bid is above the highest that the campaign ever logged: auctions it stayed out of for its low
    bid are missing from the log, so the row is a lower bound."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """Rows by rising bid, and what they rest on."""

    log: str
    campaign_id: int
    auctions: int
    """Auctions in which the campaign had a candidate, shown or not."""
    logged_bid_micros: int
    """Its mean logged bid."""
    order_value_micros: float | None
    """Average value of the orders observed for the campaign; null where none was."""
    orders: int
    rows: tuple[BidRow, ...]
    method: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, nested as the dataclasses are."""
        plain = asdict(self)
        plain["rows"] = [asdict(row) for row in self.rows]
        plain["notes"] = list(self.notes)
        return plain
