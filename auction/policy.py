"""The policy of an auction: feed rules, exposure, exchange rate, reserves, quality, pricing."""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from auction.presets import expand
from auction.settings import Settings

MAX_ADS = 32
"""Most ads of a page under any policy (`auction.feed.ADS_LIMIT`)."""
MAX_POSITIONS = 256
"""Most positions that any examination names."""
MAX_DISTANCE = 4096
"""Largest first position, gap and number of organic items that a rule may ask for."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Micros = Annotated[int, Field(ge=0, le=2**53)]


class Pricing(StrEnum):
    SECOND_PRICE = "second_price"
    VCG = "vcg"
    FIRST_PRICE = "first_price"


class FeedRules(Settings):
    """Which layouts are feasible. Nothing here may depend on a bid."""

    first_position: int = Field(
        2, ge=1, le=MAX_DISTANCE, description="The first ad is at this position or later."
    )
    min_gap: int = Field(
        3, ge=1, le=MAX_DISTANCE, description="Positions from one ad to the next; 1 lets ads touch."
    )
    wanted_gap: int | None = Field(
        None,
        ge=1,
        le=MAX_DISTANCE,
        description="Kept instead of min_gap as far as it costs the page no ad slot; null: min_gap.",
    )
    max_ads: int = Field(8, ge=0, le=MAX_ADS)
    max_share: Share = Field(
        0.25, description="Ads over ads and organic items of the answered feed; modules are not counted."
    )
    max_share_of_safe: Share | None = Field(
        None, description="Ads over the page's organic items of LOW risk; null: no such rule."
    )
    min_organics: int = Field(
        0, ge=0, le=MAX_DISTANCE, description="A page with fewer organic items carries no ad."
    )
    ad_last: bool = Field(False, description="Whether the feed may end on an ad.")
    one_per_advertiser: bool = True
    one_per_category: bool = Field(False, description="Competitors of one category never share a page.")
    adjacency: bool = Field(True, description="Respect each ad's tolerance of risky neighbours.")
    relevance_floor: float = Field(0.0, ge=-1.0, description="Compared with the ad's relevance.")

    @model_validator(mode="after")
    def _gaps_in_order(self) -> Self:
        if self.wanted_gap is not None and self.wanted_gap < self.min_gap:
            raise ValueError(f"wanted_gap: {self.wanted_gap} is below min_gap {self.min_gap}; raise it")
        return self


class Exposure(Settings):
    """How much of a full look an ad gets: examination of its position times gap effect."""

    examination: list[Share] = Field(
        min_length=1,
        max_length=MAX_POSITIONS,
        description="e_s for s = 1, 2, ...; must not increase; 0 past the list's end.",
    )
    gap_effect: list[Share] = Field(
        default_factory=list,
        max_length=16,
        description="g(d) when the previous ad is d = 1, 2, ... positions away; 1 past the list's end.",
    )

    @field_validator("examination")
    @classmethod
    def _never_rises(cls, examination: list[Share]) -> list[Share]:
        for at, (before, here) in enumerate(pairwise(examination), 1):
            if here > before:
                raise ValueError(f"[{at}]: {here} is above the {before} before it; let it not increase")
        return examination


class Reserve(Settings):
    """Lowest price per billable event, in micros; for impressions per one, not per thousand."""

    impression_micros: Micros = 0
    click_micros: Micros = 0
    conversion_micros: Micros = 0
    view_micros: Micros = 0

    @property
    def by_event(self) -> tuple[int, int, int, int]:
        """In the order of `Billable`'s codes."""
        return self.impression_micros, self.click_micros, self.conversion_micros, self.view_micros


class Squash(Settings):
    """Rank score b p_0 (p / p_0)^k instead of b p (Lahaie and Pennock 2007): below k = 1 the bid counts for
    more and the probability for less. The price undoes it."""

    exponent: float = Field(1.0, ge=0.05, le=1, description="k; 1 ranks by expected value.")
    click: float = Field(1.0, gt=0, le=1, description="p_0 of clicks: at it, the score is as without.")
    conversion: float = Field(1.0, gt=0, le=1, description="p_0 of conversions.")
    view: float = Field(1.0, gt=0, le=1, description="p_0 of video views.")

    @property
    def by_event(self) -> tuple[float, float, float, float]:
        """p_0 in the order of `Billable`'s codes; an impression is certain."""
        return 1.0, self.click, self.conversion, self.view


class Quality(Settings):
    """The ad's own value to the user, in micros per expected event; a hide is a cost."""

    save_micros: float = Field(0.0, ge=0)
    click_micros: float = Field(0.0, ge=0)
    hide_micros: float = Field(0.0, ge=0)


class AuctionPolicy(Settings):
    """Everything that decides besides the slate. Its hash stands in every decision record."""

    name: str = "default"
    pricing: Pricing = Pricing.SECOND_PRICE
    exchange_rate: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="Micros per unit of organic utility (alpha)."
    )
    rules: Annotated[FeedRules, BeforeValidator(expand)] = FeedRules()
    exposure: Exposure | None = Field(
        None, description="Null: the curve the model bundle learned from the log."
    )
    reserve: Reserve = Reserve()
    soft_floor: Reserve | None = Field(
        None,
        description="A bid from the reserve up to this floor pays itself, one above it at least the floor.",
    )
    squash: Squash = Squash()
    quality: Quality = Quality()

    @model_validator(mode="after")
    def _floors_in_order(self) -> Self:
        for name in Reserve.model_fields if self.soft_floor else ():
            hard, soft = getattr(self.reserve, name), getattr(self.soft_floor, name)
            if 0 < soft < hard:
                raise ValueError(
                    f"soft_floor.{name}: {soft} is below the reserve {hard}; give 0 or more than it"
                )
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        for computed in ("hash", "terms"):  # pydantic copies what was computed along with the fields
            copied.__dict__.pop(computed, None)
        return copied

    @cached_property
    def hash(self) -> str:
        """16 hex digits over the canonical JSON: equal policies have equal hashes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
