"""What a live campaign may spend, as the serving side is told it."""

from dataclasses import dataclass, field

from auction.pacing import PacingSettings


@dataclass(frozen=True, slots=True)
class CampaignBudget:
    """What a live campaign may spend. Without a daily and a lifetime limit it may spend nothing."""

    campaign_id: int
    zone: str
    daily_micros: int | None = None
    lifetime_micros: int | None = None
    ends_at: float | None = None
    """UTC seconds; paces a lifetime budget over the days that are left, and the last day until then."""
    pacing: PacingSettings = field(default_factory=PacingSettings)
    largest_bid_micros: int = 0
    """The most that one placement of the campaign may be expected to cost. A lease is at least so much,
    where the budget has it left: an ad that no lease can hold would never be shown. 0: not known."""

    @property
    def least_micros(self) -> int:
        limits = [each for each in (self.daily_micros, self.lifetime_micros) if each is not None]
        return min(limits, default=0)

    @property
    def limited(self) -> bool:
        return self.daily_micros is not None or self.lifetime_micros is not None
