"""Events from clients: tokens are checked here, money is settled in the ledger."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from adsrank.request import in_utc
from auction.billable import Billable
from auction.errors import InputError
from auction.frequency import FrequencyCounter
from auction.log.events import LoggedEvent
from serving.ledger import EventType, Ledger, PlacementEvent, Settlement, Status
from serving.ledger.settle import MAX_VALUE_MICROS
from serving.token import MAX_TOKEN_CHARS, Fault, TokenError, TokenSigner

MAX_BATCH = 1000

_COUNTED = {EventType.CLICK: Billable.CLICK, EventType.CONVERSION: Billable.CONVERSION}
_COUNTS = (Status.CHARGED, Status.RECORDED, Status.FREE)

# Control characters cannot be stored everywhere (PostgreSQL refuses NUL) and serve nobody.
EventId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Event(BaseModel):
    """What happened to a placed ad. Unknown fields are tolerated: they land in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    event_id: EventId = Field(
        description="Chosen by the client, unique among all of its events; sent again, it counts once."
    )
    token: str = Field(min_length=1, max_length=MAX_TOKEN_CHARS, description="The placement's token.")
    type: EventType
    time: datetime = Field(
        default_factory=lambda: datetime.now(UTC), description="Without an offset: UTC. Default: now."
    )
    value_micros: int = Field(0, ge=0, le=MAX_VALUE_MICROS, description="Worth of a conversion.")
    user_id: str | None = Field(None, max_length=128, description="Lets clicks count for frequency caps.")

    @field_validator("time")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return in_utc(value)


class EventResult(BaseModel):
    """What became of one event."""

    model_config = ConfigDict(frozen=True)

    event_id: str
    status: Status
    charged_micros: int | None = Field(None, description="Set where a charge was made or could have been.")
    detail: str | None = Field(None, description="Why an event was not accepted.")


class EventIngest:
    """Turns events into charges.

    A bad event (a token that is forged, a field that is wrong) is answered for itself and never holds
    up the others of its batch. If the ledger cannot be written the whole batch fails and may be sent
    again: what was already counted is then answered as a duplicate.

    Args:
        ledger: where money is settled.
        signer: reads the tokens.
        frequency: told of clicks and conversions of events that name their user; None: nobody is.
        clock: UTC seconds now.
        record: told of every event with a genuine token once the ledger has it.
    """

    def __init__(
        self,
        ledger: Ledger,
        signer: TokenSigner,
        frequency: FrequencyCounter | None = None,
        clock: Callable[[], float] = time.time,
        record: Callable[[list[LoggedEvent]], None] | None = None,
    ) -> None:
        self._record = record
        self._ledger = ledger
        self._signer = signer
        self._frequency = frequency
        self._clock = clock

    def ingest(self, events: Sequence[Event]) -> list[EventResult]:
        """Settle a batch; one result an event, in the order given.

        Raises:
            InputError: more than 1,000 events.
            LedgerUnavailable: nothing was counted; send the batch again.
        """
        _check_size(events)
        read = [self._read(each) for each in events]
        proven = [each for each in read if isinstance(each, PlacementEvent)]
        settled = iter(self._ledger.settle(proven, self._clock()))
        results = []
        for each, found in zip(events, read, strict=True):
            if isinstance(found, EventResult):
                results.append(found)
                continue
            result = _told(next(settled))
            results.append(result)
            self._count(each, found, result)
        if self._record is not None:
            pairs = zip(read, results, strict=True)
            self._record([_logged(found, told) for found, told in pairs if isinstance(found, PlacementEvent)])
        return results

    def ingest_raw(self, bodies: Sequence[Any]) -> list[EventResult]:
        """`ingest` of decoded JSON: an event that is none is answered as invalid, with the field's name.

        Raises:
            InputError, LedgerUnavailable: as `ingest`.
        """
        _check_size(bodies)
        parsed: list[Event] = []
        results: list[EventResult | None] = []
        for body in bodies:
            try:
                parsed.append(Event.model_validate(body))
                results.append(None)
            except ValidationError as error:
                results.append(_invalid(body, error))
        ingested = iter(self.ingest(parsed))
        return [next(ingested) if result is None else result for result in results]

    def _read(self, each: Event) -> PlacementEvent | EventResult:
        try:
            placement = self._signer.decode(each.token)
        except TokenError as error:
            detail = "token: " + ("not signed here" if error.fault is Fault.FORGED else error.detail)
            return EventResult(event_id=each.event_id, status=Status.UNKNOWN, detail=detail)
        return PlacementEvent(each.event_id, each.type, each.time.timestamp(), placement, each.value_micros)

    def _count(self, each: Event, proven: PlacementEvent, result: EventResult) -> None:
        counted = _COUNTED.get(each.type)
        if self._frequency is None or not each.user_id or counted is None or result.status not in _COUNTS:
            return
        self._frequency.note(each.user_id, proven.placement.campaign_id, proven.time, counted)


def _logged(event: PlacementEvent, result: EventResult) -> LoggedEvent:
    placement = event.placement
    return LoggedEvent(
        event_id=event.event_id,
        placement_id=placement.placement_id,
        request_id=placement.request_id,
        ad_id=placement.ad_id,
        campaign_id=placement.campaign_id,
        type=str(event.type),
        time=datetime.fromtimestamp(event.time, UTC),
        value_micros=event.value_micros,
        charge_micros=result.charged_micros or 0,
        status=str(result.status),
    )


def _check_size(events: Sequence[Any]) -> None:
    if len(events) > MAX_BATCH:
        raise InputError("events", len(events), f"send at most {MAX_BATCH} in a batch")


def _told(settlement: Settlement) -> EventResult:
    money = settlement.status in (Status.CHARGED, Status.FREE)
    return EventResult(
        event_id=settlement.event_id,
        status=settlement.status,
        charged_micros=settlement.charged_micros if money else None,
    )


def _invalid(body: Any, error: ValidationError) -> EventResult:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "event"
    named = body.get("event_id") if isinstance(body, dict) else None
    return EventResult(
        event_id=named[:128] if isinstance(named, str) else "",
        status=Status.INVALID,
        detail=f"{field}: {first['msg']}",
    )
