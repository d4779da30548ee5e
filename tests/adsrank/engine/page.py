"""The policy and settings of the engine under test, and the pages that it is asked for."""

from adsrank.decision import Decision
from adsrank.request import AdRequest
from adsrank.settings import EngineSettings
from auction.policy import AuctionPolicy, FeedRules, Quality, Reserve

PATIENT = EngineSettings(rank=60, deadline_ms=10_000)
POLICY = AuctionPolicy(
    exchange_rate=300_000.0,
    rules=FeedRules(min_gap=4, max_ads=5, max_share=0.2, relevance_floor=0.1),
    reserve=Reserve(impression_micros=500, click_micros=50_000),
    quality=Quality(save_micros=20_000, hide_micros=100_000),
)


def organic(decision: Decision) -> list[str | None]:
    """The ids of all that is no ad, in the feed's order; None for a module."""
    return [entry.organic_id for entry in decision.feed if entry.ad is None]


def holding(request: AdRequest, **positions: tuple[int, ...]) -> AdRequest:
    """`request` with these positions held: ``module=(1, 4)``."""
    held = [{"position": p, "hold": name} for name, places in positions.items() for p in places]
    return AdRequest.model_validate(request.model_dump() | {"held": held})
