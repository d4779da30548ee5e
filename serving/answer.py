"""What the server answers, as the client library reads it."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from adsrank.decision import Decision, FeedEntry, PlacedAd, lay_feed
from auction.reason import Reason

DISCLOSURE = "Promoted"


class Answer(BaseModel):
    """Fields of a later server version are tolerated."""

    model_config = ConfigDict(extra="allow", frozen=True)


class OrganicPosition(Answer):
    position: int = Field(ge=1)
    type: Literal["organic"] = "organic"
    id: str


class AdPosition(Answer):
    position: int = Field(ge=1)
    type: Literal["ad"] = "ad"
    ad_id: int
    title: str
    advertiser_id: int
    campaign_id: int
    destination_url: str
    price_micros: int = Field(ge=0, description="Per one billable event.")
    billable_event: Literal["IMPRESSION", "CLICK", "CONVERSION"]
    token: str = Field(description="Signed; every event of this placement carries it.")
    disclosure: str = DISCLOSURE
    why: str = Field(description="Why this ad, for the user.")


class ModulePosition(Answer):
    """The mixer's own item stands here, as its request held the position."""

    position: int = Field(ge=1)
    type: Literal["module"]


class StageRow(Answer):
    name: str
    came: int
    went: int
    milliseconds: float
    left: dict[str, int] = Field(default_factory=dict, description="Candidates that left, by reason.")


class FeedResponse(Answer):
    """The feed to show, top to bottom."""

    request_id: str
    feed: list[OrganicPosition | AdPosition | ModulePosition]
    degraded: str | None = Field(
        None,
        description="Why the organic feed was answered unchanged: deadline, fault:<stage>, client:<why>.",
    )
    policy: str | None = None
    bundle: str | None = None
    snapshot: str | None = None
    stages: list[StageRow] | None = Field(None, description="Only where the request explains.")
    reasons: dict[str, int] | None = None

    @property
    def ads(self) -> list[AdPosition]:
        return [entry for entry in self.feed if isinstance(entry, AdPosition)]


class EventAnswer(Answer):
    event_id: str
    status: str
    charged_micros: int | None = Field(None, description="Set where a charge was made or could have been.")
    detail: str | None = Field(None, description="Why the event was not accepted.")


class EventsResponse(Answer):
    results: list[EventAnswer]


def render(decision: Decision, tokens: dict[str, str], explain: bool) -> dict[str, Any]:
    """The decision as `FeedResponse` JSON: plain dicts, built once a request without validation."""
    answer: dict[str, Any] = {
        "request_id": decision.request_id,
        "feed": [
            _unpaid(entry) if entry.ad is None else _ad(entry.ad, tokens[entry.ad.placement_id])
            for entry in decision.feed
        ],
        "degraded": decision.degraded,
        "policy": decision.policy_hash,
        "bundle": decision.bundle_id,
        "snapshot": decision.snapshot_id,
    }
    if explain:
        answer["stages"] = [
            {
                "name": stage.name,
                "came": stage.came,
                "went": stage.went,
                "milliseconds": round(stage.milliseconds, 3),
                "left": _labels(stage.left),
            }
            for stage in decision.stages
        ]
        answer["reasons"] = _labels(decision.reasons())
    return answer


def organic_only(
    request_id: str, organic_ids: Sequence[str], degraded: str, modules: Collection[int] = ()
) -> dict[str, Any]:
    """The organic feed, unchanged, with the mixer's modules where it holds them, and why."""
    return {
        "request_id": request_id,
        "feed": [_unpaid(entry) for entry in lay_feed(organic_ids, modules)],
        "degraded": degraded,
        "policy": None,
        "bundle": None,
        "snapshot": None,
    }


def _unpaid(entry: FeedEntry) -> dict[str, Any]:
    if entry.module:
        return {"position": entry.position, "type": "module"}
    return {"position": entry.position, "type": "organic", "id": entry.organic_id}


def _ad(ad: PlacedAd, token: str) -> dict[str, Any]:
    return {
        "position": ad.position,
        "type": "ad",
        "ad_id": ad.ad_id,
        "title": ad.title,
        "advertiser_id": ad.advertiser_id,
        "campaign_id": ad.campaign_id,
        "destination_url": ad.destination_url,
        "price_micros": ad.price_micros,
        "billable_event": ad.billable.name,
        "token": token,
        "disclosure": DISCLOSURE,
        "why": ad.why,
    }


def _labels(counts: dict[Reason, int]) -> dict[str, int]:
    return {reason.label: count for reason, count in counts.items() if count}
