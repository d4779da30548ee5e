"""The Pinterest user-pin file: one line a user, `user item item ...`, plain or gzip."""

import gzip
import zlib
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from adsrank.data.world import Int64
from auction.errors import InputError

FILE_NAMES = ("train.txt.gz", "train.txt")
MAX_FILE_BYTES = 512_000_000
MAX_TEXT_BYTES = 2_000_000_000
MAX_LINE_BYTES = 4_000_000
MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Saves:
    """Who saved what, in file order; a pin that a user saved twice counts once, at its first place."""

    user: Int64
    """Ids of the users, one a line."""
    offset: Int64
    """Saves of user i are `item[offset[i]:offset[i + 1]]`."""
    item: Int64
    """Ids of the items."""
    duplicates: int
    """Saves dropped because the user had the item already."""


def find_file(path: str | Path) -> Path:
    """The file itself, or the data file inside a folder.

    Raises:
        InputError: there is none, or it is too large.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in FILE_NAMES if (path / name).is_file()]
        if not found:
            raise InputError(str(path), "no data file", f"put {' or '.join(FILE_NAMES)} into the folder")
        path = found[0]
    if not path.is_file():
        raise InputError(str(path), "no such file", "give the folder or the file of user-pin saves")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(str(path), path.stat().st_size, f"at most {MAX_FILE_BYTES} bytes")
    return path


def read_saves(path: str | Path, limit: int | None = None) -> Saves:
    """Read the saves of the first `limit` users (all without a limit).

    Raises:
        InputError: no such file, not gzip, a line that is not numbers, without an item, too long, or of
            a user seen before; names file and line.
    """
    path = find_file(path)
    if limit is not None and limit < 1:
        raise InputError("limit", limit, "give at least 1 or leave it out")
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        if packed:
            with gzip.open(path, "rb") as stream:
                return _read(path, stream, limit)
        with path.open("rb") as stream:
            return _read(path, stream, limit)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(str(path), str(error), "give a readable text file, plain or gzip") from None


def _read(path: Path, stream: BufferedReader | gzip.GzipFile, limit: int | None) -> Saves:
    users: dict[int, None] = {}
    items: list[list[int]] = []
    read = duplicates = number = 0
    while limit is None or len(items) < limit:
        line = stream.readline(MAX_LINE_BYTES + 1)
        if not line:
            break
        number += 1
        read += len(line)
        if len(line) > MAX_LINE_BYTES:
            raise InputError(
                f"{path}:{number}", f"{len(line)} bytes", f"at most {MAX_LINE_BYTES} bytes a line"
            )
        if read > MAX_TEXT_BYTES:
            raise InputError(f"{path}:{number}", f"{read} bytes", f"at most {MAX_TEXT_BYTES} bytes of text")
        words = line.split()
        if not words:
            continue
        ids = _numbers(f"{path}:{number}", words)
        if len(ids) < 2:
            raise InputError(f"{path}:{number}", words[0].decode(), "give at least one item after the user")
        if ids[0] in users:
            raise InputError(f"{path}:{number}", ids[0], "give each user on one line only")
        users[ids[0]] = None
        once = list(dict.fromkeys(ids[1:]))
        duplicates += len(ids) - 1 - len(once)
        items.append(once)
    if not items:
        raise InputError(str(path), "no lines", "give one line a user: user item item ...")
    return Saves(
        user=np.fromiter(users, np.int64, len(users)),
        offset=np.concatenate([[0], np.cumsum([len(row) for row in items])]).astype(np.int64),
        item=np.array([item for row in items for item in row], np.int64),
        duplicates=duplicates,
    )


def _numbers(where: str, words: list[bytes]) -> list[int]:
    for word in words:
        # `isdigit` of bytes is ASCII only: no signs, underscores, points or foreign digits pass.
        if not word.isdigit() or len(word) > 10 or int(word) > MAX_ID:
            shown = word[:40].decode("utf-8", "backslashreplace")
            raise InputError(where, shown, f"ids are whole numbers from 0 to {MAX_ID}")
    return [int(word) for word in words]
