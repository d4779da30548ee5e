"""A file of scores and labels, CSV or Parquet, as checked columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from adsrank.errors import InputError

ENDINGS = (".csv", ".csv.gz", ".parquet")


class ScoreFile:
    """The table; each verb reads one column of it and checks that no value is missing."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        self._table = table
        self._path = path

    @classmethod
    def open(cls, path: Path) -> "ScoreFile":
        """Read the file.

        Raises:
            InputError: no such file, another ending, or a content that is not what the ending says.
        """
        if not path.is_file():
            raise InputError("file", str(path), "give a CSV or Parquet file that exists")
        try:
            if path.name.endswith(".parquet"):
                return cls(pa.parquet.read_table(path), path)
            if path.name.endswith((".csv", ".csv.gz")):
                return cls(pa.csv.read_csv(path), path)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError("file", str(path), f"it cannot be read: {str(error).splitlines()[0]}") from None
        raise InputError("file", str(path), f"give a name that ends in {', '.join(ENDINGS)}")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def has(self, name: str) -> bool:
        """Whether there is a column of this name."""
        return name in self._table.column_names

    def numbers(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """float64 [n]; true is 1."""
        column = self._column(name)
        try:
            if pa.types.is_boolean(column.type):
                column = column.cast(pa.int8())
            found: np.ndarray[Any, np.dtype[np.float64]] = column.cast(pa.float64()).to_numpy(
                zero_copy_only=False
            )
        except (pa.ArrowException, TypeError):
            raise InputError(name, str(column.type), "give a column of numbers") from None
        return found

    def usual(self, asked: str | None, name: str) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """The column that was asked for; else the one of the usual name; None where there is neither."""
        return None if asked is None and not self.has(name) else self.numbers(asked or name)

    def segments(self, asked: list[str] | None) -> list[str]:
        """The id columns that were asked for; else `segment`, where there is one."""
        return asked or (["segment"] if self.has("segment") else [])

    def ids(self, name: str) -> np.ndarray[Any, Any]:
        """int64 or str [n]."""
        column = self._column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_integer(column.type):
            return np.asarray(column.to_numpy(zero_copy_only=False))
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return np.array(column.to_pylist(), dtype=np.str_)
        raise InputError(name, str(column.type), "give ids: integers or strings")

    def _column(self, name: str) -> pa.Array:
        if not self.has(name):
            known = ", ".join(self._table.column_names[:20])
            raise InputError(name, "absent", f"{self._path.name} has the columns {known}")
        if self._table.column_names.count(name) > 1:
            raise InputError(name, "there twice", "give each column a name of its own")
        column = self._table[name].combine_chunks()
        if column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            raise InputError(f"{name}[{row}]", None, "give a value in each row")
        return column
