"""64 bits of a value that are the same on every machine and for ever: what hashing and crosses stand on."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features.source import Bool, Int64

UInt64 = npt.NDArray[np.uint64]


def mix(values: UInt64) -> UInt64:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014): spreads consecutive ids evenly."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def of_strings(values: pa.Array) -> tuple[UInt64, Bool | None]:
    """BLAKE2b of each string [n], and where it is missing (None: nowhere); a distinct one is hashed once."""
    if len(values) == 1:  # a request's own value: no kernel is worth its start
        word = values[0].as_py()
        return np.array([0 if word is None else _digest(word)], np.uint64), (
            np.ones(1, np.bool_) if word is None else None
        )
    coded = values.dictionary_encode()
    digests = np.array([_digest(word) for word in coded.dictionary.to_pylist()] + [0], np.uint64)
    codes = pc.fill_null(coded.indices, len(digests) - 1).to_numpy(zero_copy_only=False)
    missing = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    return digests[codes], missing


def of_pairs(first: UInt64, second: UInt64) -> Int64:
    """One key for each pair (int64, a reading of 64 bits); arrays of equal length, or one of length 1.

    Ordered: (a, b) is not (b, a). Two pairs share a key by chance alone: among a million pairs once in
    some 40 million tables.
    """
    with np.errstate(over="ignore"):
        return mix(mix(first) + mix(mix(second))).view(np.int64)


def _digest(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
