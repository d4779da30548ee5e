"""A table of any size, read piece by piece: CSV (also .tsv and compressed) as text, Parquet as typed."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from adsrank.errors import InputError

BLOCK_BYTES = 4 * 2**20
"""Of text: what one piece, and so the longest line, may have."""
BATCH_ROWS = 65_536
MAX_COLUMNS = 2_000
MAX_NAME = 128
MISSING = ["", "NULL", "null", "NA", "N/A", "NaN", "nan", "None", "\\N"]
"""Texts that stand for a missing value."""


def batches(path: str | Path, header: bool = True) -> Iterator[pa.RecordBatch]:
    """Pieces of the file in their order; columns of a CSV file are strings, null where missing.

    Parameters:
        header: whether the first line of a CSV file names the columns; without it they are c1, c2, ...

    Raises:
        InputError: no such file, not a table, damaged, or with more columns than `MAX_COLUMNS`; names the
            file and, where it is one, the line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "no such file", "give a CSV or Parquet file")
    try:
        if _is_parquet(path):
            yield from _parquet(path)
        else:
            yield from _text(path, header)
    except (pa.ArrowException, csv.Error, OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            str(path), str(error).split("\n")[0][:200], "give a whole CSV or Parquet file"
        ) from None


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(path, thrift_string_size_limit=16_000_000, thrift_container_size_limit=1_000_000)
    _check(path, file.schema_arrow.names)
    for batch in file.iter_batches(BATCH_ROWS):
        batch.validate(full=True)  # a file may say UTF-8 of any bytes
        yield batch


def _text(path: Path, header: bool) -> Iterator[pa.RecordBatch]:
    delimiter = _delimiter(path)
    parse = pacsv.ParseOptions(delimiter=delimiter)
    names = _names(path, delimiter, header)
    _check(path, names)
    for name in names:
        if _is_number(name):
            raise InputError(
                f"{path}:1", name, "the first line holds values: say --no-header, or name the columns"
            )
    with pa.input_stream(str(path), compression="detect") as stream:
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=int(header)
            ),
            parse_options=parse,
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=MISSING,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        yield from reader


def _delimiter(path: Path) -> str:
    line = _first_line(path)
    return max("\t,;|", key=line.count)


def _names(path: Path, delimiter: str, header: bool) -> list[str]:
    line = _first_line(path)
    if line.count('"') % 2:
        raise InputError(f"{path}:1", line[:40], "close the quote: a name ends in the line it begins in")
    fields = next(csv.reader([line], delimiter=delimiter))
    if not header:
        return [f"c{number}" for number in range(1, len(fields) + 1)]
    return [field.strip() for field in fields]


def _first_line(path: Path) -> str:
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(BLOCK_BYTES)
    line: bytes = start.partition(b"\n")[0].rstrip(b"\r")
    if not line or b"\x00" in line:
        raise InputError(f"{path}:1", "no text", "give a CSV file with a first line, or a Parquet file")
    return line.decode("utf-8-sig")


def _check(path: Path, names: list[str]) -> None:
    if not names or len(names) > MAX_COLUMNS:
        raise InputError(str(path), f"{len(names)} columns", f"give 1 to {MAX_COLUMNS}")
    for name in names:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise InputError(
                f"{path}: column names", name[:40], f"give printable names of 1 to {MAX_NAME} letters"
            )
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InputError(
            f"{path}: column names", twice, "give each column a name of its own (or say --no-header)"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
