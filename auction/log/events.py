"""The event table beside a decision log: what came of its placements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

import pyarrow as pa

from auction.errors import InputError
from auction.log.part import (
    groups,
    hour_of,
    next_sequence,
    open_part,
    part_files,
    part_path,
    read_group,
    write_part,
    writer_name,
)

KIND = "events"
EVENT_VERSION = 1
TYPES = ("impression", "click", "conversion", "save", "hide")

EVENT_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("placement_id", pa.string(), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("ad_id", pa.int64(), nullable=False),
        pa.field("campaign_id", pa.int64(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("value_micros", pa.int64(), nullable=False),
        pa.field("charge_micros", pa.int64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
    ],
    metadata={"adsrank.log": KIND, "adsrank.version": str(EVENT_VERSION)},
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as it was received and settled. A repeated delivery is a row of its own, by status."""

    event_id: str
    placement_id: str
    request_id: str
    ad_id: int
    campaign_id: int
    type: str
    """impression, click, conversion, save or hide."""
    time: datetime
    """When it happened; with a time zone."""
    value_micros: int
    """Order value of a conversion, else 0."""
    charge_micros: int
    status: str
    """The ledger's answer: charged, recorded, duplicate, free, ..."""


class EventWriter:
    """Writes events to ``events/date=*/hour=*/part-*.parquet`` under the log's folder. Thread-safe."""

    def __init__(self, folder: str | Path, writer_id: str) -> None:
        self._folder = Path(folder) / "events"
        self._writer_id = writer_name(writer_id)
        self._lock = Lock()
        self._sequence = next_sequence(self._folder, self._writer_id)

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Write a batch, one part per UTC hour of the events; it is on the disk when this returns.

        Raises:
            InputError: an unknown type, a time without a zone, a value of another type; nothing of the
                batch is written.
            LogError: the disk refuses; the hours before the failed one are written.
        """
        for at, event in enumerate(events):
            if event.type not in TYPES:
                raise InputError(f"events[{at}].type", event.type, f"one of {', '.join(TYPES)}")
            if event.time.tzinfo is None:
                raise InputError(f"events[{at}].time", event.time, "give a time with its zone, in UTC")
        hours: dict[datetime, list[LoggedEvent]] = {}
        for event in events:
            hours.setdefault(hour_of(event.time), []).append(event)
        tables = [(hour, event_table(hours[hour])) for hour in sorted(hours)]
        with self._lock:
            for hour, table in tables:
                write_part(part_path(self._folder, hour, self._writer_id, self._sequence), table)
                self._sequence += 1


def event_table(events: Sequence[LoggedEvent]) -> pa.Table:
    """The events as a table of `EVENT_SCHEMA`.

    Raises:
        InputError: a value its column cannot hold.
    """
    columns = []
    for field in EVENT_SCHEMA:
        try:
            columns.append(pa.array([getattr(event, field.name) for event in events], field.type))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"events: {field.name}", str(error).split("\n")[0], f"give {field.type}"
            ) from None
    return pa.table(columns, schema=EVENT_SCHEMA)


def read_events(folder: str | Path) -> Iterator[pa.Table]:
    """Tables of `EVENT_SCHEMA`, one per row group; nothing where no event was logged.

    Raises:
        InputError: an unreadable or foreign part; names the file.
    """
    for path in part_files(Path(folder) / "events"):
        file = open_part(path, KIND, EVENT_VERSION, list(EVENT_SCHEMA))
        for group in groups(path, file):
            table = read_group(path, file, group)
            for name in EVENT_SCHEMA.names:
                if table.column(name).null_count:
                    raise InputError(f"{path}: {name}", None, "every event has one")
            yield table.select(EVENT_SCHEMA.names)
