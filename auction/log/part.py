"""Parts: the Parquet files a log is made of, written whole or not at all, and opened with distrust."""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from auction.errors import AuctionError, InputError

KIND_KEY, VERSION_KEY = b"adsrank.log", b"adsrank.version"
MAX_GROUP_ROWS = 2_000_000
MAX_GROUP_BYTES = 4 * 2**30
MAX_GROUP_VALUES = 2**29
MAX_FOOTER_STRING = 16_000_000
MAX_FOOTER_ENTRIES = 1_000_000

_WRITER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PART = re.compile(r"part-(?P<writer>[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})-(?P<seq>\d{8,12})\.parquet")


class LogError(AuctionError):
    """The log cannot be written: disk full, no permission. What was to be written is kept."""


def writer_name(writer_id: str) -> str:
    """`writer_id` if it may be part of a file name, else InputError."""
    if not _WRITER.fullmatch(writer_id):
        raise InputError("writer_id", writer_id, "use 1 to 64 letters, digits, '_', '-', '.'")
    return writer_id


def part_files(folder: Path) -> list[Path]:
    """Parts under `folder`, ordered by time, then writer and sequence number.

    Files still being written, or left behind by a killed writer, have another name and are not parts.
    """
    return sorted(path for path in folder.glob("date=*/hour=*/part-*.parquet") if _PART.fullmatch(path.name))


def next_sequence(folder: Path, writer_id: str) -> int:
    """1 + the highest sequence number `writer_id` has used, so that a restart overwrites nothing."""
    highest = 0
    for path in folder.glob(f"date=*/hour=*/part-{writer_id}-*.parquet"):
        match = _PART.fullmatch(path.name)
        if match and match["writer"] == writer_id:
            highest = max(highest, int(match["seq"]))
    return highest + 1


def hour_of(time: datetime) -> datetime:
    """The UTC hour that `time` falls into."""
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def part_path(folder: Path, hour: datetime, writer_id: str, sequence: int) -> Path:
    return folder / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}" / f"part-{writer_id}-{sequence:08d}.parquet"


def write_part(path: Path, table: pa.Table) -> None:
    """Write `table` to `path`: a reader sees the whole file or none.

    The bytes are on the disk before the name is, so neither a kill nor a power cut leaves a half part.
    Integers are zstd compressed; doubles, which hardly compress, LZ4, which reads twice as fast.

    Raises:
        LogError: it could not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table,
            temporary,
            compression=_codecs(table.schema),
            row_group_size=MAX_GROUP_ROWS,
            write_page_checksum=True,
            store_schema=True,
        )
        _to_disk(temporary)
        os.rename(temporary, path)
        _to_disk(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise LogError(f"{path}: cannot be written: {error.strerror or error}") from error


def open_part(path: Path, kind: str, version: int, required: Sequence[pa.Field]) -> pq.ParquetFile:
    """Open a part and check that it is what its name says.

    Raises:
        InputError: truncated, not Parquet, of another kind or schema version, a column missing or of
            another type, or sizes beyond what a writer produces; names the file.
    """
    try:
        file = pq.ParquetFile(
            path,
            thrift_string_size_limit=MAX_FOOTER_STRING,
            thrift_container_size_limit=MAX_FOOTER_ENTRIES,
            page_checksum_verification=True,
        )
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            str(path), _first_line(error), "give a whole Parquet file; this one is damaged"
        ) from None
    found = schema.metadata or {}
    if found.get(KIND_KEY) != kind.encode():
        fix = f"give a folder of {kind} that this project wrote; move other files away"
        raise InputError(str(path), _text(found.get(KIND_KEY)), fix)
    if found.get(VERSION_KEY) != str(version).encode():
        fix = f"this release reads schema version {version}"
        raise InputError(f"{path}: schema version", _text(found.get(VERSION_KEY)), fix)
    for field in required:
        at = schema.get_field_index(field.name)
        if at < 0:
            raise InputError(f"{path}: {field.name}", None, "the column is missing")
        if schema.field(at).type != field.type:
            raise InputError(f"{path}: {field.name}", str(schema.field(at).type), f"write it as {field.type}")
    _check_sizes(path, file.metadata)
    return file


def read_group(
    path: Path, file: pq.ParquetFile, group: int, columns: Sequence[str] | None = None
) -> pa.Table:
    """One row group of an open part, in one thread.

    Raises:
        InputError: a damaged page; names the file.
    """
    try:
        table = file.read_row_group(
            group, columns=None if columns is None else list(columns), use_threads=False
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: row group {group}", _first_line(error), "the file is damaged") from None
    return table.combine_chunks()


def groups(path: Path, file: pq.ParquetFile) -> Iterator[int]:
    """Row groups of an open part that hold rows."""
    return (group for group in range(file.num_row_groups) if file.metadata.row_group(group).num_rows)


def _check_sizes(path: Path, metadata: pq.FileMetaData) -> None:
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        if not 0 <= group.num_rows <= MAX_GROUP_ROWS:
            raise InputError(f"{path}: rows", group.num_rows, f"at most {MAX_GROUP_ROWS} in a row group")
        size = values = 0
        for at in range(group.num_columns):
            chunk = group.column(at)
            size += max(0, chunk.total_uncompressed_size)
            values = max(values, chunk.num_values)
        if size > MAX_GROUP_BYTES:
            raise InputError(f"{path}: bytes", size, f"at most {MAX_GROUP_BYTES} in a row group")
        if values > MAX_GROUP_VALUES:
            raise InputError(
                f"{path}: values", values, f"at most {MAX_GROUP_VALUES} in a column of a row group"
            )


def _codecs(schema: pa.Schema) -> dict[str, str]:
    codecs = {}
    for name, leaf in _leaves(schema):
        codecs[name] = "lz4" if pa.types.is_float64(leaf) else "zstd"
    return codecs


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    """Parquet's name and the type of every column of values below `schema`."""

    def walk(name: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
        if pa.types.is_list(kind):
            yield from walk(f"{name}.list.element", kind.value_type)
        elif pa.types.is_struct(kind):
            for field in kind:
                yield from walk(f"{name}.{field.name}", field.type)
        else:
            yield name, kind

    for field in schema:
        yield from walk(field.name, field.type)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value[:80].decode(errors="replace")


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0][:200]
