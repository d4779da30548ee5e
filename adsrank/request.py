"""What a feed mixer asks: one request for home, related and search."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from auction.billable import Grade
from auction.hold import Hold

MAX_ORGANIC = 1000
MAX_POSITION = 256
"""Last position that a policy's examination may name, so the last one worth holding."""
MAX_ADS = 32
"""Most ads that any policy allows on a page, and most positions that one may reserve for them."""
MAX_INTENTS = 16
MAX_DIMENSION = 1024
MAX_HISTORY = 200
MAX_ACTIONS = 100
MAX_INTEREST = 2**31 - 1
MAX_ID = 2**63 - 1


class Surface(StrEnum):
    HOME = "home"
    RELATED = "related"
    SEARCH = "search"


class ActionType(StrEnum):
    """What a user did. Codes are logged and trained on: never reorder, only append."""

    SAVE = "save"
    CLICK = "click"
    LONG_CLICK = "long_click"
    HIDE = "hide"
    LONG_VIEW = "long_view"
    SHARE = "share"
    FOLLOW = "follow"

    @property
    def code(self) -> int:
        """1, 2, ...; 0 is no action."""
        return _CODES[self]


_CODES = {each: number for number, each in enumerate(ActionType, start=1)}


EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def in_utc(value: datetime) -> datetime:
    """`value` in UTC (without an offset it is taken for UTC); ValueError outside 1970 to 2099."""
    try:
        utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, shifted past the calendar's end
        raise ValueError("give a time from 1970 to 2099") from None
    if not EARLIEST <= utc < LATEST:
        raise ValueError("give a time from 1970 to 2099")
    return utc


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[
    str, BeforeValidator(_text), Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""Ids arrive as strings or integers, never as floats, and are strings from here on. They become part of
placement ids, which no database takes with control characters in them."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


def _wrong(path: tuple[int | str, ...], value: Any, message: str) -> ValidationError:
    """An error that names a place below the validated field, which a ValueError cannot."""
    what = PydanticCustomError("value_error", "{said}", {"said": message})
    return ValidationError.from_exception_data(
        "AdRequest", [InitErrorDetails(type=what, loc=path, input=value)]
    )


class Part(BaseModel):
    """A part of a request. Unknown fields are tolerated: they land in `model_extra` and are counted."""

    model_config = ConfigDict(extra="allow", frozen=True, ser_json_inf_nan="constants")


class Intent(Part):
    """One thing the user wants now, as a vector of the embedding space the bundle serves."""

    embedding: list[Finite] = Field(min_length=1, max_length=MAX_DIMENSION)
    weight: float = Field(1.0, gt=0, le=1e6, allow_inf_nan=False)
    source: str = Field("user", max_length=32, description="user, session, query, pin, image, crop")


class Action(Part):
    """One thing the user did before the request."""

    type: ActionType
    interest: int | None = Field(None, ge=1, le=MAX_INTEREST, description="Node of the interest tree.")
    item: int | None = Field(None, ge=1, le=MAX_ID, description="Id of the item as a 64-bit integer.")
    time: datetime = Field(description="Without an offset it is taken for UTC.")


class OrganicItem(Part):
    """An item of the organic feed, in the order the mixer wants to show it."""

    id: Id
    utility: float = Field(0.0, ge=0, le=1e9, allow_inf_nan=False)
    grade: Grade = Field(Grade.MEDIUM, description="Risk of showing an ad beside it; unlabelled is MEDIUM.")

    @field_validator("grade", mode="before")
    @classmethod
    def _grade_by_name(cls, value: Any) -> Any:
        if value is None:
            return Grade.MEDIUM
        if isinstance(value, str) and value.upper() in Grade.__members__:
            return Grade[value.upper()]
        return value


class HeldAs(StrEnum):
    """What `auction.hold.Hold` counts as codes, by the names that mixers use."""

    NO_AD = "no_ad"
    FOR_AD = "for_ad"
    MODULE = "module"


class Held(Part):
    """What the mixer has decided about one position of the answered feed before the auction."""

    position: int = Field(strict=True, ge=1, le=MAX_POSITION, description="Of the answered feed, from 1.")
    hold: HeldAs = Field(
        description="no_ad: never an ad. for_ad: an ad wherever one may be shown. "
        "module: the mixer's own item stands here, and neither an ad nor an organic item does."
    )


class AdRequest(Part):
    """One page of a feed that may carry ads."""

    request_id: Id
    user_id: Id
    surface: Surface = Surface.HOME
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))
    country: str = Field("US", max_length=8)
    language: str = Field("en", max_length=16)
    device: str = Field("phone", max_length=16)
    embedding_space: str | None = Field(
        None, max_length=64, description="Space of the intents; null: the one the bundle serves."
    )
    intents: list[Intent] = Field(default_factory=list, max_length=MAX_INTENTS)
    user_interests: list[int] = Field(default_factory=list, max_length=64)
    recent_interests: list[int] = Field(
        default_factory=list,
        max_length=MAX_HISTORY,
        description="Interests of the last actions, newest last.",
    )
    recent_actions: list[Action] = Field(
        default_factory=list,
        max_length=MAX_ACTIONS,
        description="The user's last actions, in any order; those later than the request are not used.",
    )
    organic: list[OrganicItem] = Field(default_factory=list, max_length=MAX_ORGANIC)
    positions_since_ad: int = Field(
        -1,
        ge=-1,
        le=100_000,
        description="Positions since the last ad of the page before, modules counted; -1: none.",
    )
    held: list[Held] = Field(
        default_factory=list,
        max_length=MAX_POSITION,
        description="Positions that the mixer forbids to ads, reserves for one or fills itself; each once.",
    )
    blocked_advertisers: list[int] = Field(default_factory=list, max_length=1000)
    hidden_ads: list[int] = Field(default_factory=list, max_length=1000)
    personalized: bool = Field(True, description="False: no user signal is used, only the page's own.")
    deadline_ms: int | None = Field(None, ge=1, le=10_000)

    @field_validator("time")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return in_utc(value)

    @field_validator("recent_actions")
    @classmethod
    def _actions_in_utc(cls, value: list[Action]) -> list[Action]:
        """Times are compared with the request's, so each needs an offset; the usual ones have it."""
        return [
            each if each.time.tzinfo else each.model_copy(update={"time": each.time.replace(tzinfo=UTC)})
            for each in value
        ]

    @field_validator("held")
    @classmethod
    def _each_position_once(cls, value: list[Held]) -> list[Held]:
        first: dict[int, int] = {}
        reserved = 0
        for at, each in enumerate(value):
            if (before := first.setdefault(each.position, at)) != at:
                said = f"held[{before}] has position {each.position} already"
                raise _wrong((at, "position"), each.position, f"{said}; give each position once")
            reserved += each.hold is HeldAs.FOR_AD
            if reserved > MAX_ADS:
                said = f"more than {MAX_ADS} positions are reserved for ads"
                raise _wrong((at, "hold"), each.hold.value, f"{said}; reserve at most {MAX_ADS}")
        return value

    @model_validator(mode="after")
    def _held_within_the_page(self) -> "AdRequest":
        last = len(self.organic) + len(self.modules) + MAX_ADS
        for at, each in enumerate(self.held):
            if each.position > last:
                said = f"no page of {len(self.organic)} organic items reaches position {each.position}"
                raise _wrong(("held", at, "position"), each.position, f"{said}; hold one up to {last}")
        return self

    @model_validator(mode="after")
    def _same_dimension(self) -> "AdRequest":
        sizes = {len(intent.embedding) for intent in self.intents}
        if len(sizes) > 1:
            raise ValueError(f"intents: embeddings of different lengths {sorted(sizes)}; use one space")
        ids = [item.id for item in self.organic]
        if len(set(ids)) < len(ids):
            twice = next(item for position, item in enumerate(ids) if item in ids[:position])
            raise ValueError(f"organic: id {twice!r} stands twice; each item once")
        return self

    @property
    def seed(self) -> int:
        """64 bits of the request id: orders ties, draws samples; the same on every machine."""
        return int.from_bytes(hashlib.blake2b(self.request_id.encode(), digest_size=8).digest(), "big")

    @property
    def modules(self) -> frozenset[int]:
        """Positions of the answered feed that the mixer fills itself."""
        return frozenset(each.position for each in self.held if each.hold is HeldAs.MODULE)

    def hold(self, max_ads: int) -> np.ndarray | None:
        """`auction.hold.Hold` codes of positions 1, 2, ..., int8; None where nothing is held.

        What a page of at most `max_ads` ads cannot reach (its organic items, its modules, an ad each)
        is left out: it cannot matter, and the auction refuses it.
        """
        codes: dict[int, Hold] = {}
        reach = len(self.organic) + max_ads
        for each in sorted(self.held, key=lambda each: each.position):
            reach += each.hold is HeldAs.MODULE
            if each.position > reach:
                break
            codes[each.position] = Hold[each.hold.name]
        if not codes:
            return None
        column = np.zeros(max(codes), np.int8)
        for position, code in codes.items():
            column[position - 1] = code
        return column

    def intent_matrix(self) -> np.ndarray:
        """Intent vectors as float32 [m, d]; [0, 0] without intents."""
        if not self.intents:
            return np.zeros((0, 0), np.float32)
        return np.asarray([intent.embedding for intent in self.intents], np.float32)
