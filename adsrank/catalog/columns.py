"""Column arrays that never change once made: checking, freezing, hashing, lists of lists."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Lists:
    """A list for each of n rows: row i holds ``values[offsets[i]:offsets[i + 1]]``."""

    offsets: npt.NDArray[np.int64]
    """[n + 1], from 0, not decreasing."""
    values: Array

    def __post_init__(self) -> None:
        o = self.offsets
        if len(o) < 1 or o[0] != 0 or o[-1] != len(self.values) or np.any(np.diff(o) < 0):
            raise InputError("offsets", f"{len(o)} offsets", "from 0 to the number of values, not decreasing")
        freeze(self.offsets)
        freeze(self.values)

    @classmethod
    def of(cls, lists: Iterable[Sequence[Any]], dtype: Any) -> "Lists":
        """Lay `lists` end to end as `dtype`."""
        lists = list(lists)
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(values) for values in lists], out=offsets[1:])
        return cls(offsets, np.asarray([value for values in lists for value in values], dtype))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Array:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def owners(self) -> npt.NDArray[np.int64]:
        """The row that each value belongs to, [len(values)]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


def freeze(array: Array) -> None:
    """Make `array` read-only."""
    array.flags.writeable = False


def digest(parts: Iterable[tuple[str, Array]]) -> str:
    """SHA-256 over named arrays: names, types, shapes and contents, the same on every machine."""
    sha = hashlib.sha256()
    for name, array in parts:
        text = array.dtype.kind in "OU"
        kind = "text" if text else array.dtype.newbyteorder("<").str
        sha.update(json.dumps([name, kind, list(array.shape)]).encode())
        if text:
            sha.update(json.dumps(array.tolist(), ensure_ascii=False).encode())
        else:
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            sha.update(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()
