"""Reading a JSON document that may be hostile: every value is checked, and named when refused."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from calibration.errors import CalibrationError
from calibration.logit import FloatArray

MAX_BYTES = 64 * 2**20
MAX_ITEMS = 1_000_000
MAX_OPENED = 2_000_000
"""Lists and objects: each costs some thirty times its two bytes once it is read."""

JsonDict = dict[str, Any]


def parse(source: str | bytes | Mapping[str, Any], file: str | None = None) -> "Fields":
    """The top object of a document: JSON text of at most 64 MiB, or what a JSON parser made of it."""
    if isinstance(source, str | bytes):
        if len(source) > MAX_BYTES:
            raise CalibrationError("document", f"{len(source)} bytes", f"at most {MAX_BYTES} bytes", file)
        text = source.encode(errors="replace") if isinstance(source, str) else source
        opened = text.count(b"[") + text.count(b"{")
        if opened > MAX_OPENED:
            raise CalibrationError("document", f"{opened} lists and objects", f"at most {MAX_OPENED}", file)
        try:
            source = json.loads(source, object_pairs_hook=_unique)
        except CalibrationError:
            raise
        except (ValueError, RecursionError) as error:
            raise CalibrationError("document", str(error), "JSON of moderate depth", file) from error
    return Fields(source, "", file)


def _unique(pairs: list[tuple[str, Any]]) -> JsonDict:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise CalibrationError(twice, "given twice", "each name once")
    return made


class Fields:
    """An object of the document; each verb reads one field and checks it."""

    def __init__(self, values: object, path: str, file: str | None = None) -> None:
        self._path = path
        self._file = file
        if not isinstance(values, Mapping):
            raise self._refuse(path or "document", values, "an object")
        self._values = values
        self._read: set[str] = set()

    def text(self, name: str, max_length: int = 256) -> str:
        """A string."""
        value = self._get(name)
        if not isinstance(value, str) or len(value) > max_length:
            raise self._refuse(self._at(name), value, f"a string of at most {max_length} characters")
        return value

    def number(self, name: str, low: float = -1e300, high: float = 1e300) -> float:
        """A finite number in [low, high]."""
        return self._number(self._get(name), self._at(name), low, high)

    def number_or_none(self, name: str, low: float, high: float) -> float | None:
        """A finite number in [low, high], or null."""
        value = self._get(name)
        return None if value is None else self._number(value, self._at(name), low, high)

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number in [low, high], written without a fraction."""
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._refuse(self._at(name), value, f"a whole number from {low} to {high}")
        return value

    def numbers(self, name: str, low: float = -1e300, high: float = 1e300) -> FloatArray:
        """A list of finite numbers in [low, high]."""
        values = self._list(name, MAX_ITEMS)
        at = self._at(name)
        read = [self._number(value, f"{at}[{k}]", low, high) for k, value in enumerate(values)]
        return np.array(read, dtype=np.float64)

    def increasing(self, name: str, low: float = -1e300, high: float = 1e300) -> FloatArray:
        """A list of at least one number, each greater than the one before."""
        column = self.numbers(name, low, high)
        if not len(column):
            raise self._refuse(self._at(name), [], "at least one number")
        if (np.diff(column) <= 0.0).any():
            k = int(np.argmax(np.diff(column) <= 0.0)) + 1
            raise self._refuse(f"{self._at(name)}[{k}]", column[k], f"more than {column[k - 1]!r} before it")
        return column

    def ids(self, name: str, max_length: int) -> list[int | str]:
        """A list of distinct ids, all int64 or all str."""
        values = self._list(name, MAX_ITEMS)
        kind = type(values[0]) if values else int
        seen: set[int | str] = set()
        for k, value in enumerate(values):
            if isinstance(value, str):
                good = kind is str and len(value) <= max_length
            else:
                good = kind is int and type(value) is int and -(2**63) <= value < 2**63
            if not good or value in seen:
                raise self._refuse(f"{self._at(name)}[{k}]", value, "distinct ids, all int64 or all str")
            seen.add(value)
        return values

    def child(self, name: str) -> "Fields":
        """An object inside."""
        return Fields(self._get(name), self._at(name), self._file)

    def children(self, name: str, most: int) -> list["Fields"]:
        """A list of at most `most` objects inside."""
        values = self._list(name, most)
        return [Fields(value, f"{self._at(name)}[{k}]", self._file) for k, value in enumerate(values)]

    def end(self) -> None:
        """Refuse whatever was not read."""
        for name in self._values:
            if name not in self._read:
                raise self._refuse(self._at(str(name)), self._values[name], "no such field is known here")

    def refuse(self, name: str, value: object, fix: str) -> CalibrationError:
        """The error to raise about the field `name`."""
        return self._refuse(self._at(name), value, fix)

    def _get(self, name: str) -> Any:
        if name not in self._values:
            raise self._refuse(self._at(name), "nothing", "the field is required")
        self._read.add(name)
        return self._values[name]

    def _list(self, name: str, most: int) -> list[Any]:
        values = self._get(name)
        if not isinstance(values, list) or len(values) > most:
            shown = f"{len(values)} items" if isinstance(values, list) else values
            raise self._refuse(self._at(name), shown, f"a list of at most {most} items")
        return values

    def _number(self, value: object, at: str, low: float, high: float) -> float:
        # Comparing before converting keeps an int of a thousand digits from overflowing.
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        raise self._refuse(at, value, f"a finite number from {low:g} to {high:g}")

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _refuse(self, at: str, value: object, fix: str) -> CalibrationError:
        return CalibrationError(at, value, fix, self._file)
