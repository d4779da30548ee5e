"""Records to Arrow and back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from auction.batch import column_of
from auction.errors import InputError
from auction.log.record import (
    OUTCOME_COLUMNS,
    SCHEMA_VERSION,
    SHOWN_COLUMNS,
    VALUE_COLUMNS,
    DecisionRecord,
    Departure,
    StageCount,
)
from auction.log.schema import (
    CONTEXT,
    DEPARTURE,
    FEATURE,
    FINITE_KEY,
    PLACEMENT_ID,
    RAW,
    SHOWN_INDEX,
    SHOWN_POSITION,
    STAGE,
    TIME,
    column,
)
from auction.outcome import Outcome
from auction.reason import Reason
from auction.slate import AD_COLUMNS, ORGANIC_COLUMNS, POSITION_COLUMNS, Slate

_UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)


def record_table(records: Sequence[DecisionRecord], schema: pa.Schema) -> tuple[pa.Table, int]:
    """Checked records as a table of `schema` (see `decision_schema`).

    A feature that its column cannot hold becomes null, so that it cannot cost the log the decision.

    Returns:
        The table, and how many values became null.
    """
    shown = [record.shown() for record in records]
    per_ad = _offsets(len(record.slate.ad_id) for record in records)
    per_organic = _offsets(len(record.slate.organic_utility) for record in records)
    per_shown = _offsets(len(index) for index in shown)
    blanked = 0
    columns: dict[str, pa.Array] = {
        "schema_version": pa.array(np.full(len(records), SCHEMA_VERSION, np.int16)),
        "time": pa.array([record.time for record in records], TIME),
        "held": pa.array([record.held for record in records], pa.bool_()),
        "seed": pa.array([record.slate.seed for record in records], pa.uint64()),
        "positions_since_ad": pa.array([r.slate.positions_since_ad for r in records], pa.int64()),
        "reason": _numbers(per_ad, [r.outcome.reason for r in records], np.int8),
        "organic_id": _lists([r.organic_id for r in records], pa.string()),
        SHOWN_INDEX: _numbers(per_shown, shown, np.int32),
        PLACEMENT_ID: _lists([r.placement_id for r in records], pa.string()),
        "departures": _departures([r.departures for r in records]),
        "stages": _stages([r.stages for r in records]),
    }
    for name in ("request_id", "user_id", "surface", "policy_hash", "bundle_id", "snapshot_id", "degraded"):
        columns[name] = pa.array([getattr(record, name) for record in records], pa.string())
    per_hold = _offsets(len(column_of(record.slate, "hold")) for record in records)
    groups = ((AD_COLUMNS, per_ad), (ORGANIC_COLUMNS, per_organic), (POSITION_COLUMNS, per_hold))
    for group, offsets in groups:
        for name, dtype in group.items():
            columns[name] = _numbers(offsets, [column_of(record.slate, name) for record in records], dtype)
    for target, name, dtype in (
        (SHOWN_POSITION, "position", np.int64),
        *((name, name, dtype) for name, dtype in SHOWN_COLUMNS.items()),
    ):
        values = [getattr(r.outcome, name)[index] for r, index in zip(records, shown, strict=True)]
        columns[target] = _numbers(per_shown, values, dtype)
    for name in VALUE_COLUMNS:
        columns[name] = pa.array([getattr(record.outcome, name) for record in records], pa.float64())
    columns["exact"] = pa.array([record.outcome.exact for record in records], pa.bool_())
    for field in schema:
        if field.name.startswith(RAW):
            columns[field.name] = _sparse([r.raw.get(field.name.removeprefix(RAW)) for r in records])
        elif field.name.startswith(CONTEXT):
            key = field.name.removeprefix(CONTEXT)
            values = [_plain(record.context.get(key)) for record in records]
            columns[field.name], refused = _values(values, field.type)
            blanked += refused
        elif field.name.startswith(FEATURE):
            key = field.name.removeprefix(FEATURE)
            rows = [r.features.get(key, [None] * len(i)) for r, i in zip(records, shown, strict=True)]
            flat, refused = _values([_plain(value) for row in rows for value in row], field.type.value_type)
            columns[field.name] = pa.ListArray.from_arrays(per_shown, flat, field.type)
            blanked += refused
    noted = {**(schema.metadata or {}), FINITE_KEY: " ".join(_finite(columns)).encode()}
    table = pa.table([columns[field.name] for field in schema], schema=schema.with_metadata(noted))
    return table, blanked


def table_records(table: pa.Table) -> Iterator[DecisionRecord]:
    """The records of a table whose columns were checked to be those of a decision log."""
    batches = table.to_batches()
    for batch in batches:
        arrays = {name: batch.column(name) for name in batch.schema.names}
        for row in range(batch.num_rows):
            yield _record(arrays, row)


def _record(arrays: Mapping[str, Any], row: int) -> DecisionRecord:
    def numbers(name: str, dtype: type[np.generic]) -> np.ndarray:
        return np.array(arrays[name][row].values.to_numpy(zero_copy_only=False), dtype)

    def scalar(name: str) -> Any:
        return arrays[name][row].as_py()

    n = len(arrays["ad_id"][row].values)
    index = numbers(SHOWN_INDEX, np.int64)
    outcome: dict[str, Any] = {name: np.zeros(n, dtype) for name, dtype in OUTCOME_COLUMNS.items()}
    outcome["reason"] = numbers("reason", np.int8)
    outcome["position"][index] = numbers(SHOWN_POSITION, np.int64)
    for name, dtype in SHOWN_COLUMNS.items():
        outcome[name][index] = numbers(name, dtype)
    outcome |= {name: scalar(name) for name in VALUE_COLUMNS}
    raw = {}
    for name, array in arrays.items():
        if name.startswith(RAW) and array[row].is_valid:
            raw[name.removeprefix(RAW)] = numbers(name, np.float64)
    outcome["exact"] = scalar("exact")
    groups = AD_COLUMNS | ORGANIC_COLUMNS | POSITION_COLUMNS
    columns = {name: numbers(name, dtype) for name, dtype in groups.items()}
    seed, since = scalar("seed"), scalar("positions_since_ad")
    return DecisionRecord(
        **{
            name: scalar(name)
            for name in (
                "request_id",
                "user_id",
                "surface",
                "time",
                "policy_hash",
                "bundle_id",
                "snapshot_id",
            )
        },
        degraded=scalar("degraded"),
        held=scalar("held"),
        slate=Slate(seed=seed, positions_since_ad=since, **columns),
        outcome=Outcome(**outcome),
        organic_id=scalar("organic_id"),
        placement_id=scalar(PLACEMENT_ID),
        raw=raw,
        context={n.removeprefix(CONTEXT): scalar(n) for n in arrays if n.startswith(CONTEXT)},
        features={n.removeprefix(FEATURE): scalar(n) for n in arrays if n.startswith(FEATURE)},
        departures=[
            Departure(one["stage"], Reason(one["reason"]), np.array(one["ad_id"], np.int64))
            for one in scalar("departures")
        ],
        stages=[StageCount(**one) for one in scalar("stages")],
    )


def check_names(record: DecisionRecord, schema: pa.Schema) -> None:
    """Refuse a head or a feature that the schema has no column for.

    Features that are columns of the decision already (ad_id, time, ...) may be given; they are not
    stored twice.

    Raises:
        InputError: names it and those the log knows.
    """
    for prefix, given in ((RAW, record.raw), (CONTEXT, record.context), (FEATURE, record.features)):
        for name in given:
            # A feature that is a column of the log already (surface, ad_id) stands there, once.
            if schema.get_field_index(prefix + name) < 0 and schema.get_field_index(name) < 0:
                known = [n.removeprefix(prefix) for n in schema.names if n.startswith(prefix)]
                raise InputError(
                    f"{prefix.rstrip('_')}.{name}", name, f"known to this log: {', '.join(known)}"
                )


def _finite(columns: Mapping[str, pa.Array]) -> list[str]:
    """Slate columns of doubles that the smallest and largest value describe when the two are equal:
    no NaN, which Parquet's statistics pass over, and no negative zero, which equals zero."""
    names = []
    for name, dtype in AD_COLUMNS.items():
        if dtype is np.float64:
            values = columns[name].values.to_numpy()
            if not np.any(np.isnan(values) | ((values == 0) & np.signbit(values))):
                names.append(name)
    return names


def _offsets(lengths: Iterable[int]) -> pa.Array:
    ends = np.cumsum(np.fromiter(chain((0,), lengths), np.int64))
    if ends[-1] > np.iinfo(np.int32).max:
        raise InputError("records", int(ends[-1]), "flush more often: too many candidates for one part")
    return pa.array(ends, pa.int32())


def _numbers(offsets: pa.Array, rows: Sequence[np.ndarray], dtype: type[np.generic]) -> pa.Array:
    """A list column of numbers."""
    kind = pa.from_numpy_dtype(dtype)
    flat = np.concatenate(rows).astype(dtype, copy=False) if rows else np.zeros(0, dtype)
    # from_pandas=False: a NaN score is a number that was seen, not a missing one.
    return pa.ListArray.from_arrays(offsets, pa.array(flat, kind, from_pandas=False), column(kind))


def _sparse(rows: Sequence[np.ndarray | None]) -> pa.Array:
    """A list column of doubles; null where a row is None."""
    missing = [row is None for row in rows]
    present = [np.zeros(0) if row is None else row for row in rows]
    full = _numbers(_offsets(len(row) for row in present), present, np.float64)
    if not any(missing):
        return full
    return pa.ListArray.from_arrays(full.offsets, full.values, full.type, mask=pa.array(missing))


def _lists(rows: Sequence[Sequence[Any]], kind: pa.DataType) -> pa.Array:
    flat = pa.array([value for row in rows for value in row], kind)
    return pa.ListArray.from_arrays(_offsets(len(row) for row in rows), flat, column(kind))


def _values(values: list[Any], kind: pa.DataType) -> tuple[pa.Array, int]:
    try:
        return pa.array(values, kind), 0
    except _UNFIT:
        pass
    refused = 0
    for at, value in enumerate(values):
        try:
            pa.array([value], kind)
        except _UNFIT:
            values[at] = None
            refused += 1
    return pa.array(values, kind), refused


def _plain(value: Any) -> Any:
    """numpy scalars and arrays as Python's own, which every Arrow type takes."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _departures(rows: Sequence[Sequence[Departure]]) -> pa.Array:
    flat = [one for row in rows for one in row]
    items = pa.StructArray.from_arrays(
        [
            pa.array([one.stage for one in flat], pa.string()),
            pa.array([int(one.reason) for one in flat], pa.int8()),
            _numbers(_offsets(len(one.ad_id) for one in flat), [one.ad_id for one in flat], np.int64),
        ],
        fields=list(DEPARTURE),
    )
    return pa.ListArray.from_arrays(_offsets(len(row) for row in rows), items, column(DEPARTURE))


def _stages(rows: Sequence[Sequence[StageCount]]) -> pa.Array:
    flat = [one for row in rows for one in row]
    items = pa.StructArray.from_arrays(
        [
            pa.array([one.stage for one in flat], pa.string()),
            pa.array([one.received for one in flat], pa.int64()),
            pa.array([one.passed for one in flat], pa.int64()),
            pa.array([one.milliseconds for one in flat], pa.float64()),
        ],
        fields=list(STAGE),
    )
    return pa.ListArray.from_arrays(_offsets(len(row) for row in rows), items, column(STAGE))
