"""The rows a bundle carries with it, and what it said of them when it was made.

A bundle that was copied well can still score otherwise: another version of a library, another kind of
processor, a changed transform. So it keeps a few held-out rows as the columns that its features read
(no others: no user's id unless a feature reads it) beside its own answers, and is asked again on load.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adsrank.errors import InputError
from adsrank.features.examples import SCHEMA

Float64 = npt.NDArray[np.float64]

VERSION = 1
ROWS = 200
"""Of a sample where the table has as many: what the heavy model scores for one request."""
MAX_ROWS, MAX_COLUMNS = 1_000, 512

TYPES: dict[str, pa.DataType] = {
    str(kind): kind
    for kind in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
        *(pa.bool_(), pa.string(), pa.null(), pa.list_(pa.int32()), pa.list_(pa.int64())),
        *(pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.string())),
        *SCHEMA.types,
    )
}
"""By name, what a column may be: nothing else is ever read from a file."""


class Sample:
    """Held-out rows and the answers expected of them.

    Parameters:
        columns: what the transform reads, [n].
        expected: `p_<head>`, calibrated, float64 [n] each.
        prerank: the first stage's estimate, float64 [n].
    """

    def __init__(self, columns: pa.Table, expected: Mapping[str, Float64], prerank: Float64) -> None:
        self.columns = columns
        self.expected = dict(expected)
        self.prerank = prerank

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def to_json(self) -> dict[str, Any]:
        """Columns with their types; a float that is not finite is missing, as features read it."""
        return {
            "version": VERSION,
            "columns": {
                name: {"type": str(column.type), "values": _finite(column.to_pylist())}
                for name, column in zip(self.columns.column_names, self.columns.columns, strict=True)
            },
            "expected": {name: values.tolist() for name, values in self.expected.items()},
            "prerank": self.prerank.tolist(),
        }

    @classmethod
    def from_json(cls, data: Any, sources: list[str], names: tuple[str, ...]) -> Self:
        """Rebuild from `to_json` (untrusted).

        Parameters:
            sources: the columns that the transform reads; names: of the probabilities.

        Raises:
            InputError: another version, other columns, a value that is not of its column's type, or an
                answer that is no probability; names the field.
        """
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise InputError("version", _named(data, "version"), f"give {VERSION}")
        columns, expected = data.get("columns"), data.get("expected")
        if not isinstance(columns, dict) or sorted(columns) != sorted(sources):
            raise InputError("columns", _keys(columns), f"give {', '.join(sources)}"[:300])
        if not isinstance(expected, dict) or sorted(expected) != sorted(names):
            raise InputError("expected", _keys(expected), f"give {', '.join(sorted(names))}")
        arrays = {name: _column(f"columns.{name}", columns[name]) for name in sorted(columns)}
        n = len(next(iter(arrays.values())))
        for name, array in arrays.items():
            if len(array) != n or not 1 <= n <= MAX_ROWS:
                raise InputError(f"columns.{name}", len(array), f"give 1 to {MAX_ROWS} rows, equal in all")
        return cls(
            pa.table(arrays),
            {name: _probabilities(f"expected.{name}", expected[name], n) for name in names},
            _probabilities("prerank", data.get("prerank"), n),
        )


def spread(n: int, rows: int = ROWS) -> npt.NDArray[np.int64]:
    """At most `rows` numbers of n rows, evenly spaced, rising."""
    return np.unique(np.linspace(0, n - 1, min(rows, n)).astype(np.int64))


def pick(table: pa.Table, sources: list[str], rows: int = ROWS) -> pa.Table:
    """At most `rows` rows, evenly spaced, of the columns in `sources`."""
    few = table.select(sorted(sources)).take(pa.array(spread(table.num_rows, rows)))
    plain = pa.schema([pa.field(field.name, _plain(field.type)) for field in few.schema])
    return few.cast(plain).combine_chunks()


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type of `TYPES` that holds the same values: dictionaries are decoded, odd widths widened."""
    if str(kind) in TYPES:
        return kind
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        found = pa.list_(_plain(kind.value_type))
        return found if str(found) in TYPES else pa.list_(pa.int64())
    return pa.string()


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _column(where: str, data: Any) -> pa.Array:
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("type"), str)
        or data["type"] not in TYPES
        or not isinstance(data.get("values"), list)
    ):
        raise InputError(f"{where}.type", _named(data, "type"), f"give one of {', '.join(TYPES)}")
    try:
        return pa.array(data["values"], TYPES[data["type"]])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(where, data["type"], str(error).split("\n")[0][:120]) from None


def _probabilities(where: str, data: Any, n: int) -> Float64:
    if not isinstance(data, list) or len(data) != n or not all(type(value) is float for value in data):
        raise InputError(where, type(data).__name__, f"give a list of {n} numbers")
    values: Float64 = np.array(data, np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError(where, "out of range", "give probabilities, from 0 to 1")
    return values


def _named(data: Any, key: str) -> Any:
    return str(data.get(key))[:60] if isinstance(data, dict) else type(data).__name__


def _keys(data: Any) -> Any:
    return sorted(map(str, data))[:8] if isinstance(data, dict) else type(data).__name__
