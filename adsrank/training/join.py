"""The training table from the engine's own log: what was shown, as it was scored, and what came of it.

Features are those that were logged when the ad was scored, never recomputed (no training/serving skew,
no peeking at what was learned later). Labels come from the event log by placement id.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.errors import InputError
from adsrank.features.examples import ACTIONS, AD, CONTEXT, LABELS, MATCH, PLACE, SCHEMA
from auction.log.events import EVENT_SCHEMA, read_events
from auction.log.placements import placements
from auction.log.reader import DecisionLog

Int64 = npt.NDArray[np.int64]

NOT_EVENTS = frozenset({"invalid", "unknown", "expired"})
"""Statuses of events that count for nothing: forged, of no placement, or after the token's time."""

SECOND_US = 1_000_000
PLACEMENT = "placement_id"


def join_log(folder: str | Path, attribution_days: float = 3.0) -> pa.Table:
    """`join` of a decision log and of the events beside it.

    Raises:
        InputError: no such log, or a part that cannot be read; names the file.
    """
    return join(placements(DecisionLog(folder)), read_events(folder), attribution_days)


def join(shown: Iterable[pa.Table], events: Iterable[pa.Table], attribution_days: float = 3.0) -> pa.Table:
    """A table in `features.examples.SCHEMA`, one row a shown ad, oldest first.

    Parameters:
        shown: tables of `auction.log.placements`: placement_id, place, logged features.
        events: tables of `auction.log.EVENT_SCHEMA`, in any order, repeats included.

    A label is 1 if an event of its type names the placement, at the time of the decision or later. A
    conversion counts within `attribution_days` of the placement's first click; the first one gives
    delay and value. A conversion without a click is not counted: the label is given the click.

    Raises:
        InputError: a feature was not logged, or is of another type; names the column. Logs of the first
            release have no actions: theirs are null, which is no action.
    """
    rows = _rows(shown)
    happened = _events(events)
    ids = rows[PLACEMENT]
    began = rows["time"].cast(pa.int64()).to_numpy()
    columns = {field.name: rows[field.name] for field in (*CONTEXT, *AD, *MATCH, *PLACE)}
    first: dict[str, Int64] = {}
    for kind in ("click", "save", "hide"):
        of, at, _ = _of_type(happened, kind, ids, began)
        first[kind] = _earliest(of, at, len(ids))[0]
        columns[kind] = pa.array((first[kind] >= 0).astype(np.int8))
    of, at, value = _of_type(happened, "conversion", ids, began)
    delay = at - first["click"][of]
    in_time = (first["click"][of] >= 0) & (delay >= 0) & (delay <= int(attribution_days * 86_400 * SECOND_US))
    when, which = _earliest(of[in_time], at[in_time], len(ids))
    bought = when >= 0
    seconds = (when - first["click"]) / SECOND_US
    worth = np.zeros(len(ids), np.int64)
    worth[bought] = value[in_time][which[bought]]
    columns["conversion"] = pa.array(bought.astype(np.int8))
    columns["conversion_delay_s"] = pa.array(seconds, mask=~bought)
    columns["value_micros"] = pa.array(worth)
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _rows(shown: Iterable[pa.Table]) -> pa.Table:
    """The placements' columns in the schema's types, sorted by time; a placement logged twice counts once."""
    fields = [pa.field(PLACEMENT, pa.string()), *(field for field in SCHEMA if field not in LABELS)]
    schema = pa.schema(fields)
    parts = []
    for table in shown:
        columns = []
        for field in schema:
            if field.name not in table.column_names and field.name in ACTIONS:
                columns.append(pa.nulls(len(table), field.type))
                continue
            if field.name not in table.column_names:
                raise InputError(field.name, "absent", "log the features that an ad was scored with")
            try:
                columns.append(table[field.name].cast(field.type))
            except pa.ArrowException as error:
                raise InputError(field.name, str(table[field.name].type), str(error).split("\n")[0]) from None
        parts.append(pa.table(columns, schema=schema))
    rows = pa.concat_tables(parts) if parts else schema.empty_table()
    rows = rows.combine_chunks()
    codes = rows[PLACEMENT].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    once = np.sort(np.unique(codes, return_index=True)[1])
    time = rows["time"].cast(pa.int64()).to_numpy()[once]
    return rows.take(pa.array(once[np.argsort(time, kind="stable")]))


def _events(events: Iterable[pa.Table]) -> pa.Table:
    """Events that count, each id once."""
    names = ["event_id", PLACEMENT, "type", "time", "value_micros", "status"]
    parts = [table.select(names) for table in events]
    if not parts:
        return pa.schema([EVENT_SCHEMA.field(name) for name in names]).empty_table()
    table = pa.concat_tables(parts).combine_chunks()
    status = pc.utf8_lower(table["status"])
    table = table.filter(pc.invert(pc.is_in(status, value_set=pa.array(sorted(NOT_EVENTS)))))
    codes = table["event_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return table.take(pa.array(np.sort(np.unique(codes, return_index=True)[1])))


def _of_type(events: pa.Table, kind: str, ids: pa.ChunkedArray, began: Int64) -> tuple[Int64, Int64, Int64]:
    """Row, time (microseconds) and value of the events of one type that fit a row."""
    part = events.filter(pc.equal(events["type"], kind))
    of = (
        pc.fill_null(pc.index_in(part[PLACEMENT], value_set=ids.combine_chunks()), -1)
        .to_numpy()
        .astype(np.int64)
    )
    at = part["time"].cast(pa.int64()).to_numpy()
    value = part["value_micros"].to_numpy()
    fits = of >= 0
    fits[fits] = at[fits] >= began[of[fits]]
    return of[fits], at[fits], value[fits]


def _earliest(of: Int64, at: Int64, rows: int) -> tuple[Int64, Int64]:
    """Of each row, the time of its first event (-1: none) and which event that was."""
    order = np.lexsort((at, of))
    row, where = np.unique(of[order], return_index=True)
    when, which = np.full(rows, -1, np.int64), np.full(rows, -1, np.int64)
    when[row], which[row] = at[order][where], order[where]
    return when, which
