"""Draw rows from shuffled lists: a seeded start, then onwards until enough are allowed."""

import numpy as np
import numpy.typing as npt

from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.compiled import kernel

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]

_STEP = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def mix(values: UInt64) -> UInt64:
    """A fixed scrambling of 64-bit words (the finalizer of SplitMix64), element by element."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(_STEP)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def shuffled(rows: Int64, ids: Int64) -> Int64:
    """`rows` in an order that depends on the `ids` of all rows only, and favours none."""
    return rows[np.argsort(mix(ids[rows].astype(np.uint64)), kind="stable")]


def start_of(seed: int, salt: int, length: int) -> int:
    """Where to start in a list of `length`: the same for equal seed (64 bits) and salt."""
    z = ((seed ^ (salt * _STEP)) + _STEP) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) % length


def walk(rows: Int64, start: int, bits: Bits, k: int) -> Int64:
    """The first `k` of `rows` that are in `bits`, from `start` on and round the end once."""
    found = np.empty(min(k, len(rows)), np.int64)
    return found[: _walk(rows, start, bits, found)]


@kernel
def _walk(rows: Int64, start: int, bits: Bits, found: Int64) -> int:
    size, length = 0, len(rows)
    for step in range(length):
        if size == len(found):
            break
        place = start + step
        row = rows[place - length if place >= length else place]
        if (bits[row >> 6] >> np.uint64(row & 63)) & np.uint64(1):
            found[size] = row
            size += 1
    return size
