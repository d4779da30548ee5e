"""One policy of a frontier, and what it would have brought."""

from dataclasses import dataclass
from typing import Any

from auction.policy import AuctionPolicy
from auction.replay.interval import Interval


@dataclass(frozen=True, slots=True)
class Point:
    """Expectations over the sampled decisions, from the logged model."""

    policy: AuctionPolicy
    """Exposure null: as logged."""
    revenue_micros: float
    revenue_change: float | None
    """Relative to the current policy; null where that earns nothing."""
    revenue_interval: Interval
    """Of the change, paired by decision."""
    organic_loss: float
    """Organic value that the ads displace, as a share of what the feeds would be worth without ads."""
    organic_interval: Interval
    ads_per_decision: float
    fill: float
    """Share of decisions that show an ad."""
    hides: float
    """Expected hides of ads: the nearest the log has to what ad load costs beyond the day."""

    def to_json(self) -> dict[str, Any]:
        rules = self.policy.rules
        return {
            "name": self.policy.name,
            "exchange_rate": self.policy.exchange_rate,
            "max_ads": rules.max_ads,
            "max_share": rules.max_share,
            "min_gap": rules.min_gap,
            "revenue_micros": self.revenue_micros,
            "revenue_change": self.revenue_change,
            "revenue_interval": [self.revenue_interval.low, self.revenue_interval.high],
            "organic_loss": self.organic_loss,
            "organic_interval": [self.organic_interval.low, self.organic_interval.high],
            "ads_per_decision": self.ads_per_decision,
            "fill": self.fill,
            "hides": self.hides,
        }
