"""What goes into the ledger and what comes out of it."""

from dataclasses import dataclass
from enum import StrEnum

from serving.token import Placement

MAX_MICROS = 2**53
"""The largest limit; also stands in the row of a limit that was taken away."""


class EventType(StrEnum):
    """What a user did with a placed ad."""

    IMPRESSION = "impression"
    CLICK = "click"
    CONVERSION = "conversion"
    VIEW = "view"
    SAVE = "save"
    HIDE = "hide"


class Status(StrEnum):
    """What the ledger did with an event."""

    CHARGED = "charged"
    """The billable event of its placement; in part where the budget ended."""
    RECORDED = "recorded"
    """A valid event that costs nothing: not the billable one, or a further conversion of a click."""
    DUPLICATE = "duplicate"
    """Seen before: the same event id, or a second impression, click or view of the placement."""
    FREE = "free"
    """The billable event came when the budget was used up: delivered, recorded, not charged."""
    EXPIRED = "expired"
    """After the placement's time."""
    INVALID = "invalid"
    """Its time or value cannot be."""
    UNKNOWN = "unknown"
    """Its token proves nothing."""


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """A campaign's limit for one day (ISO date in the account's zone) or for its ``lifetime``."""

    campaign_id: int
    day: str
    limit_micros: int | None
    """None takes a limit away: its row, where there is one, goes on counting and binds no more."""


@dataclass(frozen=True, slots=True)
class Want:
    """A replica would like its lease on a campaign's day to be `target_micros`; 0 gives it back."""

    campaign_id: int
    day: str
    target_micros: int
    least_micros: int = 0
    """Up to here the lease grows by all that is left, beyond it only by a share: one ad's charge."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What a replica's lease on a campaign's day is after a renewal."""

    campaign_id: int
    day: str
    remaining_micros: int


@dataclass(frozen=True, slots=True)
class PlacementEvent:
    """An event whose token was good."""

    event_id: str
    type: EventType
    time: float
    """UTC seconds, as the client tells it."""
    placement: Placement
    value_micros: int = 0
    """What a conversion was worth to the advertiser."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The ledger's answer to one event."""

    event_id: str
    status: Status
    charged_micros: int = 0
    free_micros: int = 0
    """Of its price, what the budget could not pay."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One budget: limit = spent + reserved + leased + what can still be leased."""

    campaign_id: int
    day: str
    limit_micros: int
    spent_micros: int
    reserved_micros: int
    """Expected charges of placements in flight."""
    leased_micros: int
    """Promised to replicas and not placed yet."""
    free_micros: int
    """Delivered beyond the budget and never charged."""

    @property
    def left_micros(self) -> int:
        """What may still be leased, never below 0."""
        return max(0, self.limit_micros - self.spent_micros - self.reserved_micros - self.leased_micros)


@dataclass(frozen=True, slots=True)
class DayStatement:
    """Charges of one campaign on one of its days."""

    day: str
    charges: int
    charged_micros: int
    free_micros: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A campaign's account: its budgets, and its charges added up one by one."""

    campaign_id: int
    balances: tuple[Balance, ...]
    days: tuple[DayStatement, ...]
    events: dict[EventType, int]
    """Valid events, once each."""
    value_micros: int
    """Conversion value reported by the advertiser."""

    @property
    def charged_micros(self) -> int:
        return sum(day.charged_micros for day in self.days)

    @property
    def free_micros(self) -> int:
        return sum(day.free_micros for day in self.days)
