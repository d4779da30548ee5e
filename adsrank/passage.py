"""One request on its way through the stages."""

from dataclasses import dataclass, field
from typing import Any

from adsrank.candidates import Candidates
from adsrank.decision import PlacedAd, StageReport
from adsrank.features.batch import FeatureBatch
from adsrank.release import Release
from adsrank.request import AdRequest
from auction.outcome import Outcome
from auction.policy import AuctionPolicy
from auction.slate import Slate


@dataclass(slots=True)
class Passage:
    """What the stages share; each reads what those before it wrote."""

    request: AdRequest
    release: Release
    policy: AuctionPolicy
    """Resolved: its exposure is set."""
    now: float
    """Seconds since the epoch of the decision: the request's own time, so that replay sees the same."""
    asked: dict[str, Any]
    """`features.columns.request_columns`: what the models read of the request, and what is logged."""
    deadline: float
    """Monotonic seconds after which the organic feed is answered."""
    candidates: Candidates = field(default_factory=Candidates)
    features: FeatureBatch | None = None
    """Of the candidates, as the models read them; made once."""
    slate: Slate | None = None
    outcome: Outcome | None = None
    placed: list[PlacedAd] = field(default_factory=list)
    reports: list[StageReport] = field(default_factory=list)
    degraded: str | None = None
    held: bool = True
    """False where not even the auction without ads could be held."""
