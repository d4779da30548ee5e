"""Account, campaign, ad group and ad, as an advertiser writes them and as they are stored.

Money is int64 micros of the account's currency, ids are positive int64, times are whole seconds UTC.
"""

import difflib
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from adsrank.catalog.destination import Destination
from adsrank.catalog.targeting import Interest, Targeting
from adsrank.catalog.vector import Vector
from auction.billable import Billable, Grade
from auction.frequency import MAX_FREQUENCY, MAX_INTERVAL_DAYS

MAX_ID = 2**63 - 1
MAX_MICROS = 2**53

BLOCKING_LABELS = frozenset({"rejected", "under_review", "suspended"})
"""Any of these policy labels keeps an ad from serving."""


class Status(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ARCHIVED = "ARCHIVED"


class Objective(StrEnum):
    AWARENESS = "AWARENESS"
    CONSIDERATION = "CONSIDERATION"
    CONVERSION = "CONVERSION"
    CATALOG = "CATALOG"


class Pacing(StrEnum):
    STANDARD = "STANDARD"
    ACCELERATED = "ACCELERATED"


class BidStrategy(StrEnum):
    MAX_BID = "MAX_BID"
    TARGET_AVG = "TARGET_AVG"
    TARGET_ROAS = "TARGET_ROAS"
    AUTOMATIC = "AUTOMATIC"


class Format(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    CAROUSEL = "carousel"
    COLLECTION = "collection"


class CappedEvent(StrEnum):
    IMPRESSION = "IMPRESSION"
    CLICK = "CLICK"


def _whole_second(value: datetime) -> datetime:
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value.replace(microsecond=0)


def _by_name(kind: type[IntEnum], taken: Iterable[IntEnum] | None = None) -> BeforeValidator:
    """Codes are internal: files and the store say the name. `taken` are the members accepted, null: all."""
    members = list(kind) if taken is None else list(taken)
    names = ", ".join(member.name for member in members)

    def read(value: Any) -> Any:
        found = kind[value] if isinstance(value, str) and value in kind.__members__ else value
        if not isinstance(found, kind):
            raise ValueError(f"is not one of {names}")
        if found not in members:
            raise ValueError(f"{found.name} is not yet supported; give one of {names}")
        return found

    return BeforeValidator(read)


_AS_NAME = PlainSerializer(lambda value: value.name, return_type=str)

FUNNEL = (Billable.IMPRESSION, Billable.CLICK, Billable.CONVERSION)
"""The events that can be paid for, from the first to the deepest. No model predicts video views yet."""

Event = Annotated[Billable, _by_name(Billable, FUNNEL), _AS_NAME]

Id = Annotated[int, Field(strict=True, gt=0, le=MAX_ID)]
Micros = Annotated[int, Field(strict=True, gt=0, le=MAX_MICROS)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Space = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$")]
Instant = Annotated[datetime, AfterValidator(_whole_second)]
"""UTC where no zone is given; the fraction of a second is dropped."""


class Entity(BaseModel):
    """Base: frozen, unknown fields refused, every number finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Id
    name: Name


class Account(Entity):
    """An advertiser. Its currency is the unit of its money, its time zone bounds its budget days."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("is not an IANA time zone; give one like 'Europe/Berlin'") from None
        return value


class FrequencyCap(BaseModel):
    """At most `max_frequency` events of one user within any `interval_days` days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: CappedEvent = CappedEvent.IMPRESSION
    interval_days: Annotated[int, Field(strict=True, ge=1, le=MAX_INTERVAL_DAYS)]
    max_frequency: Annotated[int, Field(strict=True, ge=1, le=MAX_FREQUENCY)]


class _Scheduled(Entity):
    status: Status = Status.ACTIVE
    start_time: Instant | None = None
    """First second it may serve; null: at once."""
    end_time: Instant | None = None
    """First second it may no longer serve; null: never."""

    @field_validator("end_time")
    @classmethod
    def _after_the_start(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start_time")
        if value and start and value <= start:
            raise ValueError("is not after start_time; give a later one")
        return value


class Campaign(_Scheduled):
    """Where the money is: an objective and a daily or a lifetime budget, or both."""

    account_id: Id
    objective: Objective
    daily_budget_micros: Micros | None = None
    lifetime_budget_micros: Annotated[Micros | None, Field(validate_default=True)] = None
    pacing: Pacing = Pacing.STANDARD
    frequency_cap: FrequencyCap | None = None

    @field_validator("lifetime_budget_micros")
    @classmethod
    def _has_a_budget(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("daily_budget_micros", 0) is None:
            raise ValueError("has no budget; give daily_budget_micros or lifetime_budget_micros")
        return value


class AdGroup(_Scheduled):
    """Whom to reach, what is paid for and how much of it is bid."""

    campaign_id: Id
    billable_event: Event
    bid_event: Event | None = None
    """Event that `bid_micros` is for, where it is not the billable one: a target cost per conversion that is
    charged by the click. Null: the billable event."""
    bid_strategy: BidStrategy = BidStrategy.MAX_BID
    bid_micros: Micros
    """Per event of `goal`: a click, a conversion, or 1,000 impressions (then a multiple of 1,000)."""
    targeting: Targeting = Targeting()

    @field_validator("bid_event")
    @classmethod
    def _not_before_what_is_billed(cls, value: Billable | None, info: ValidationInfo) -> Billable | None:
        billed = info.data.get("billable_event")
        if value is not None and billed is not None:
            reached = FUNNEL[FUNNEL.index(billed) :]
            if value not in reached:
                names = " or ".join(event.name for event in reached)
                raise ValueError(f"comes before the billable {billed.name} in the funnel; give {names}")
        return value

    @field_validator("bid_strategy")
    @classmethod
    def _supported(cls, value: BidStrategy) -> BidStrategy:
        if value is not BidStrategy.MAX_BID:
            raise ValueError(f"{value.value} is not yet supported; use MAX_BID")
        return value

    @field_validator("bid_micros")
    @classmethod
    def _whole_micros_per_impression(cls, value: int, info: ValidationInfo) -> int:
        goal = info.data.get("bid_event")
        goal = info.data.get("billable_event") if goal is None else goal
        if goal is Billable.IMPRESSION and value % 1000:
            raise ValueError("is per 1,000 impressions; give a multiple of 1,000: one costs whole micros")
        return value

    @property
    def goal(self) -> Billable:
        """The event that is bid for."""
        return self.billable_event if self.bid_event is None else self.bid_event

    @property
    def bid_per_event_micros(self) -> int:
        """The bid for one event of `goal`, in micros: a CPM bid divided by 1,000."""
        return self.bid_micros // 1000 if self.goal is Billable.IMPRESSION else self.bid_micros


class Ad(Entity):
    """What is shown: a creative, its interests, its vector, where it leads, what it tolerates."""

    ad_group_id: Id
    status: Status = Status.ACTIVE
    format: Format = Format.IMAGE
    title: Text = ""
    description: Text = ""
    destination_url: Destination
    interests: Annotated[list[Interest], Field(min_length=1, max_length=8)]
    """Nodes of the interest tree; the first is the main one."""
    embedding: Vector | None = None
    embedding_space: Annotated[Space | None, Field(validate_default=True)] = None
    max_adjacent_risk: Annotated[Grade, _by_name(Grade), _AS_NAME] = Grade.MEDIUM
    policy_labels: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]], Field(max_length=32)
    ] = []
    created_at: Instant | None = None

    @field_validator("interests")
    @classmethod
    def _each_once(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("names an interest twice; each once")
        return value

    @field_validator("policy_labels")
    @classmethod
    def _no_near_miss(cls, value: list[str]) -> list[str]:
        for label in value:
            near = difflib.get_close_matches(label, BLOCKING_LABELS, n=1, cutoff=0.85)
            if near and near[0] != label:
                # A misspelt blocking label would let a rejected ad serve.
                raise ValueError(f"has {label!r}; did you mean {near[0]!r}?")
        return value

    @field_validator("embedding_space")
    @classmethod
    def _with_its_vector(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "embedding" in info.data and (info.data["embedding"] is None) != (value is None):
            raise ValueError("and embedding go together; give both or neither")
        return value

    @property
    def blocked(self) -> bool:
        """Whether a policy label keeps it from serving."""
        return not BLOCKING_LABELS.isdisjoint(self.policy_labels)


KINDS: dict[str, type[Entity]] = {"account": Account, "campaign": Campaign, "ad_group": AdGroup, "ad": Ad}
"""Top down: a kind's parent comes before it."""

PARENTS = {
    "campaign": ("account", "account_id"),
    "ad_group": ("campaign", "campaign_id"),
    "ad": ("ad_group", "ad_group_id"),
}
"""Kind -> the kind above it and the field that names it."""
