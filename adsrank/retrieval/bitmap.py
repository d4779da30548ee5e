"""Sets of rows as packed bits: row r is bit ``r % 64`` of word ``r // 64``."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
"""ceil(n / 64) words; bits past n are 0."""

Bool = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


def pack(mask: Bool) -> Bits:
    """The rows where `mask` [n] is true."""
    packed = np.zeros(-(-len(mask) // 64) * 8, np.uint8)
    packed[: -(-len(mask) // 8)] = np.packbits(mask, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def unpack(bits: Bits, size: int) -> Bool:
    """The mask [size] of the rows in `bits`."""
    return np.unpackbits(as_bytes(bits), count=size, bitorder="little").view(np.bool_)


def rows_of(bits: Bits, size: int) -> Int64:
    """The rows in `bits`, in order."""
    return np.flatnonzero(unpack(bits, size))


def count(bits: Bits) -> int:
    """How many rows `bits` holds."""
    return int(np.bitwise_count(bits).sum())


def without(bits: Bits, rows: Int64) -> Bits:
    """A copy of `bits` with `rows` taken out."""
    rest = bits.copy()
    np.bitwise_and.at(rest, rows >> 6, ~(np.uint64(1) << (rows & 63).astype(np.uint64)))
    return rest


def union(parts: Iterable[Bits]) -> Bits:
    """Rows in any of `parts`, of which there is at least one."""
    iterator = iter(parts)
    total = next(iterator).copy()
    for part in iterator:
        total |= part
    return total


def as_bytes(bits: Bits) -> npt.NDArray[np.uint8]:
    """`bits` as bytes, row r being bit ``r % 8`` of byte ``r // 8``: what faiss reads."""
    return bits.astype("<u8", copy=False).view(np.uint8)
