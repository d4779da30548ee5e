"""Which columns have a value at all."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc


class Presence:
    """Looks through chunks of a table for columns that never hold a value.

    Null, NaN, an infinity and an empty list are no values.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._unseen = set(columns)

    def add(self, table: pa.Table) -> None:
        """Look through a chunk; a column that is not there counts as without values."""
        for name in list(self._unseen):
            if name in table.column_names and _any(table[name]):
                self._unseen.discard(name)

    def missing(self) -> list[str]:
        """The columns without a value so far."""
        return sorted(self._unseen)


def _any(column: pa.ChunkedArray) -> bool:
    if pa.types.is_null(column.type) or column.null_count == len(column):
        return False
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return bool(pc.any(pc.greater(pc.list_value_length(column), 0)).as_py())
    if pa.types.is_floating(column.type):
        return bool(pc.any(pc.is_finite(column)).as_py())
    return True
