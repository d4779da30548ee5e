"""JSON files that anyone may have written, and files that must be what they seem."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from adsrank.errors import BundleError

MAX_CONTAINERS = 1_000_000
"""Lists and objects that one file may open: each costs some sixty times its two bytes once it is read."""


def canonical(data: Any) -> bytes:
    """JSON that depends on the values alone."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def parse(text: bytes, where: str) -> Any:
    """JSON without NaN, infinities or repeated keys, and not so much of it that reading fills the memory.

    Raises:
        BundleError: anything else; names the file.
    """
    opened = text.count(b"[") + text.count(b"{")
    if opened > MAX_CONTAINERS:
        raise BundleError(f"{where}: {opened} lists and objects; at most {MAX_CONTAINERS}")
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not valid JSON: {str(error)[:120]}") from None


def read_plain(path: Path, limit: int) -> bytes:
    """The bytes of a plain file of at most `limit` bytes.

    Raises:
        BundleError: absent, larger, or a link, pipe or device; names the file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read as a plain file: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{path}: not a plain file")
        if status.st_size > limit:
            raise BundleError(f"{path}: {status.st_size} bytes; at most {limit}")
        return file.read(limit + 1)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number here")


def _finite(number: str) -> float:
    """1e999 is written like a number and read as infinity."""
    found = float(number)
    return found if math.isfinite(found) else _refuse(number[:40])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found
