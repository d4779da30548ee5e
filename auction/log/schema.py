"""The Parquet schema of a decision log: one row a decision, nested lists per candidate.

Every list column of a group (ads, organic items, shown ads) has the same lengths, so a group reads
straight into CSR columns. Money and ids are int64, probabilities float64: replay is bit exact.
"""

from collections.abc import Sequence

import pyarrow as pa

from auction.log.record import SCHEMA_VERSION, SHOWN_COLUMNS, VALUE_COLUMNS
from auction.slate import AD_COLUMNS, ORGANIC_COLUMNS, POSITION_COLUMNS

KIND = "decisions"
HEADS = ("click", "conversion_given_click", "save", "hide")
"""Heads of the model whose raw probabilities are logged unless the writer is told others."""

RAW, CONTEXT, FEATURE = "raw_", "context_", "feature_"
"""Prefixes of the columns that depend on the ranker."""

FINITE_KEY = b"adsrank.finite"
"""Metadata of a part: the slate's columns of doubles that hold neither NaN nor a negative zero."""

TIME = pa.timestamp("us", tz="UTC")


def column(values: pa.DataType) -> pa.DataType:
    """A list column in which neither the list's elements nor, by the field, the list is null."""
    return pa.list_(pa.field("element", values, nullable=False))


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


DEPARTURE = pa.struct(
    [
        _required("stage", pa.string()),
        _required("reason", pa.int8()),
        _required("ad_id", column(pa.int64())),
    ]
)
STAGE = pa.struct(
    [
        _required("stage", pa.string()),
        _required("received", pa.int64()),
        _required("passed", pa.int64()),
        _required("milliseconds", pa.float64()),
    ]
)

SHOWN_INDEX, SHOWN_POSITION, PLACEMENT_ID = "shown_index", "shown_position", "placement_id"
"""Per shown ad, by position: its index among the decision's candidates (from 0), where, and its id."""

FIXED: tuple[pa.Field, ...] = (
    _required("schema_version", pa.int16()),
    _required("request_id", pa.string()),
    pa.field("user_id", pa.string()),
    _required("surface", pa.string()),
    _required("time", TIME),
    _required("policy_hash", pa.string()),
    pa.field("bundle_id", pa.string()),
    pa.field("snapshot_id", pa.string()),
    pa.field("degraded", pa.string()),
    _required("held", pa.bool_()),
    _required("seed", pa.uint64()),
    _required("positions_since_ad", pa.int64()),
    *(_required(name, column(pa.from_numpy_dtype(dtype))) for name, dtype in AD_COLUMNS.items()),
    _required("reason", column(pa.int8())),
    _required("organic_id", column(pa.string())),
    *(_required(name, column(pa.from_numpy_dtype(dtype))) for name, dtype in ORGANIC_COLUMNS.items()),
    *(_required(name, column(pa.from_numpy_dtype(dtype))) for name, dtype in POSITION_COLUMNS.items()),
    _required(SHOWN_INDEX, column(pa.int32())),
    _required(SHOWN_POSITION, column(pa.int64())),
    _required(PLACEMENT_ID, column(pa.string())),
    *(_required(name, column(pa.from_numpy_dtype(dtype))) for name, dtype in SHOWN_COLUMNS.items()),
    *(_required(name, pa.float64()) for name in VALUE_COLUMNS),
    _required("exact", pa.bool_()),
    _required("departures", column(DEPARTURE)),
    _required("stages", column(STAGE)),
)
"""Columns that every decision log has, whoever ranked."""

FIXED_NAMES = frozenset(field.name for field in FIXED)


def decision_schema(
    heads: Sequence[str] = HEADS,
    context: Sequence[pa.Field] = (),
    features: Sequence[pa.Field] = (),
) -> pa.Schema:
    """Schema of a log whose ranker has these heads, request features and ad features.

    A feature that is a column of the log already (request_id, time, ad_id, ...) is not stored twice.
    """
    return pa.schema(
        [
            *FIXED,
            *(pa.field(RAW + head, column(pa.float64())) for head in heads),
            *(
                pa.field(CONTEXT + field.name, field.type)
                for field in context
                if field.name not in FIXED_NAMES
            ),
            *(
                _required(FEATURE + field.name, pa.list_(field.type))
                for field in features
                if field.name not in FIXED_NAMES
            ),
        ],
        metadata={"adsrank.log": KIND, "adsrank.version": str(SCHEMA_VERSION)},
    )
