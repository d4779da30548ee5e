"""A text table of a public research set: plain or gzip, every column declared."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from auction.errors import InputError

MAX_FILE_BYTES = 16 * 2**30
MAX_LINE_BYTES = 2**20


def read_delimited(
    paths: Path | tuple[Path, ...],
    columns: Mapping[str, pa.DataType],
    *,
    header: bool = True,
    delimiter: str = ",",
    nulls: tuple[str, ...] = ("",),
    keep: tuple[str, ...] | None = None,
) -> pa.Table:
    """The rows of one file, or of several of one schema, in their order.

    Parameters:
        columns: type of each column in the file's order, under the names they shall have.
        header: the first line holds the publisher's names. Some may be others than the declared; none may
            be that of another column.
        nulls: texts that mean missing.
        keep: the columns to read; default: all.

    Raises:
        InputError: no such file, too large, not this schema, or a value that is not of its column's type.
    """
    each = (paths,) if isinstance(paths, Path) else paths
    return pa.concat_tables([_read(path, columns, header, delimiter, nulls, keep) for path in each])


def _read(
    path: Path,
    columns: Mapping[str, pa.DataType],
    header: bool,
    delimiter: str,
    nulls: tuple[str, ...],
    keep: tuple[str, ...] | None,
) -> pa.Table:
    if not path.is_file():
        raise InputError(str(path), "no such file", "give the data set's file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(str(path), path.stat().st_size, f"at most {MAX_FILE_BYTES} bytes")
    try:
        if header:
            _check_header(path, list(columns), delimiter)
        return pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(column_names=list(columns), skip_rows=int(header)),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, quote_char=False if not header else '"'),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict(columns),
                null_values=list(nulls),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                include_columns=list(keep) if keep else None,
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0][:200]
        raise InputError(str(path), said, "give the file as its publisher made it") from None


def _check_header(path: Path, columns: list[str], delimiter: str) -> None:
    """Columns are read by their place: refuse names that stand elsewhere, and values in their place."""
    with pa.input_stream(str(path), compression="detect") as stream:
        line: bytes = stream.read(MAX_LINE_BYTES).partition(b"\n")[0]
    names = [name.strip('" \r').lower() for name in line.decode("utf-8-sig").split(delimiter)]
    if not set(names) & set(columns):
        raise InputError(f"{path}:1", line[:80], f"give a first line of names: {', '.join(columns)}"[:300])
    for name, wanted in zip(names, columns, strict=False):
        if name != wanted and name in columns:
            raise InputError(f"{path}:1", name, f"{wanted!r} is expected here: give the publisher's order")
