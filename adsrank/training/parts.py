"""A training table in Parquet: one file, or a folder of parts, read in order of their names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from adsrank.errors import InputError

MAX_FILE_BYTES = 64 * 2**30
MAX_FILES = 100_000
CHUNK = 65_536
"""Rows read at a time. Cut by row number and not by file, so that files do not show in any result."""


class Parts:
    """Rows of all parts as one table; opened with distrust, read by column and by row number.

    Parameters:
        path: a Parquet file, or a folder with `*.parquet` files in it; the order of their names is
            the order of the rows, which must be that of time.

    Raises:
        InputError: none there, or one that cannot be read; names the file.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self.path = path
        self.files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not self.files or len(self.files) > MAX_FILES:
            raise InputError(str(path), f"{len(self.files)} parts", f"give 1 to {MAX_FILES} *.parquet files")
        self._rows = []
        for file in self.files:
            with self._open(file) as opened:
                self._rows.append(opened.metadata.num_rows)
                names = opened.schema_arrow.names
            if len(set(names)) < len(names):
                twice = next(name for at, name in enumerate(names) if name in names[:at])
                raise InputError(f"{file}: {twice}", "stands twice", "give each column a name of its own")

    def __len__(self) -> int:
        return sum(self._rows)

    def require(self, columns: Sequence[str]) -> None:
        """Check that every part has them.

        Raises:
            InputError: one has not; names file and column.
        """
        for file in self.files:
            with self._open(file) as opened:
                names = set(opened.schema_arrow.names)
            for name in columns:
                if name not in names:
                    raise InputError(f"{file}: {name}", "absent", "the table needs this column")

    def has(self, column: str) -> bool:
        """Whether every part has the column."""
        for file in self.files:
            with self._open(file) as opened:
                if column not in opened.schema_arrow.names:
                    return False
        return True

    def read(self, columns: Sequence[str]) -> pa.Table:
        """All rows in memory.

        Raises:
            InputError: no row, or a part lacks a column, has another type than the first, or is damaged.
        """
        if not len(self):
            raise InputError(str(self.path), "no rows", "give a table of shown ads")
        return self._join([table for _, table in self._batches(columns, 0, len(self))])

    def chunks(self, columns: Sequence[str], start: int = 0, stop: int | None = None) -> Iterator[pa.Table]:
        """Rows [start, stop) in tables of `CHUNK` rows (the last may be shorter), one in memory at a time.

        Raises:
            InputError: as `read`.
        """
        held: list[pa.Table] = []
        rows = 0
        for _, table in self._batches(columns, start, len(self) if stop is None else stop):
            held.append(table)
            rows += len(table)
            while rows >= CHUNK:
                whole = self._join(held)
                yield whole.slice(0, CHUNK)
                rows -= CHUNK
                held = [whole.slice(CHUNK)] if rows else []
        if rows:
            yield self._join(held)

    def _batches(self, columns: Sequence[str], start: int, stop: int) -> Iterator[tuple[Path, pa.Table]]:
        """The wanted rows in pieces as they lie in the files; row groups out of range are not read."""
        begin, first = 0, None
        for file, rows in zip(self.files, self._rows, strict=True):
            end = begin + rows
            if end <= start or begin >= stop:
                begin = end
                continue
            try:
                with self._open(file) as opened:
                    schema = pa.schema([_field(opened.schema_arrow, name, file) for name in columns])
                    first = first or schema
                    _agree(schema, first, file)
                    at = begin
                    for number in range(opened.num_row_groups):
                        size = opened.metadata.row_group(number).num_rows
                        if at + size > start and at < stop:
                            row = at
                            for batch in opened.iter_batches(
                                CHUNK, row_groups=[number], columns=list(columns)
                            ):
                                table = pa.Table.from_batches([batch]).select(list(columns)).cast(first)
                                low, high = max(start - row, 0), min(stop - row, len(table))
                                if low < high:
                                    yield file, table.slice(low, high - low)
                                row += len(table)
                        at += size
            except OSError as error:
                raise _unreadable(file, error) from None
            except pa.ArrowException as error:
                raise _invalid(file, error) from None
            begin = end

    def _open(self, file: Path) -> pq.ParquetFile:
        try:
            size = file.stat().st_size
            if size > MAX_FILE_BYTES:
                raise InputError(str(file), size, f"at most {MAX_FILE_BYTES} bytes")
            return pq.ParquetFile(file)
        except OSError as error:
            raise _unreadable(file, error) from None
        except pa.ArrowException as error:
            raise _invalid(file, error) from None

    def _join(self, tables: list[pa.Table]) -> pa.Table:
        try:
            return pa.concat_tables(tables).combine_chunks()
        except pa.ArrowException as error:
            raise _invalid(self.path, error) from None


def _field(schema: pa.Schema, name: str, file: Path) -> pa.Field:
    if name not in schema.names:
        raise InputError(f"{file}: {name}", "absent", "the table needs this column")
    return pa.field(name, schema.field(name).type)


def _agree(schema: pa.Schema, first: pa.Schema, file: Path) -> None:
    for field, wanted in zip(schema, first, strict=True):
        if field.type != wanted.type:
            raise InputError(
                f"{file}: {field.name}", str(field.type), f"give {wanted.type}, as the first part has"
            )


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError(str(file), error.strerror or str(error)[:120], "give a readable Parquet file")


def _invalid(file: Path, error: Exception) -> InputError:
    return InputError(str(file), str(error).split("\n")[0][:120], "give a valid Parquet file")
