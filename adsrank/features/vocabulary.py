"""Encoders of categories: value -> row of an embedding table. Row 0 is missing in all of them."""

import hashlib
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features.source import Bool, Float64, Int64

MISSING = 0
UNKNOWN = 1


class Encoder(Protocol):
    """A fitted encoder: `size` rows, of which `unknown` (if any) stands for values never seen."""

    @property
    def size(self) -> int: ...

    @property
    def unknown(self) -> int | None: ...

    def to_json(self) -> dict[str, Any]: ...


class IntegerVocabulary:
    """Frequent integers -> ids 2, 3, ... (most frequent first, then smaller); 1 any other, 0 missing."""

    def __init__(self, values: Int64) -> None:
        self.values_ = np.ascontiguousarray(values, np.int64)
        order = np.argsort(self.values_, kind="stable")
        self._sorted = self.values_[order]
        self._ids = order.astype(np.int64) + 2

    @classmethod
    def fit(cls, values: Int64, min_count: int, max_size: int) -> Self:
        """Learn from `values` (int64 [n], missing ones left out)."""
        return cls.of_counts(*np.unique(values, return_counts=True), min_count, max_size)

    @classmethod
    def of_counts(cls, distinct: Int64, counts: Int64, min_count: int, max_size: int) -> Self:
        """Learn from distinct values in rising order and how often each was met."""
        return cls(distinct[_frequent(counts, min_count, max_size)])

    @property
    def size(self) -> int:
        return len(self.values_) + 2

    @property
    def unknown(self) -> int | None:
        return UNKNOWN

    def apply(self, values: Int64, missing: Bool | None) -> Int64:
        """Ids (int64, same shape)."""
        if not len(self._sorted):
            ids = np.full(values.shape, UNKNOWN, np.int64)
        else:
            at = np.minimum(np.searchsorted(self._sorted, values), len(self._sorted) - 1)
            ids = np.where(self._sorted[at] == values, self._ids[at], UNKNOWN)
        if missing is not None:
            ids[missing] = MISSING
        return ids

    def to_json(self) -> dict[str, Any]:
        return {"kind": "integers", "values": self.values_.tolist()}


class StringVocabulary:
    """Frequent strings -> ids 2, 3, ... (most frequent first, then alphabetical); 1 any other, 0 missing."""

    def __init__(self, values: list[str]) -> None:
        self.values_ = values
        self._set = pa.array(values, pa.string())
        self._ids = {value: number + 2 for number, value in enumerate(values)}

    @classmethod
    def fit(cls, values: pa.Array, min_count: int, max_size: int) -> Self:
        """Learn from a string array; nulls are missing."""
        table = pc.value_counts(values.drop_null())
        words = np.array(table.field("values").to_pylist(), dtype=object)
        counts = table.field("counts").to_numpy(zero_copy_only=False)
        order = np.argsort(words.astype(str), kind="stable") if len(words) else np.zeros(0, np.int64)
        return cls.of_counts(words[order], counts[order], min_count, max_size)

    @classmethod
    def of_counts(cls, words: npt.NDArray[Any], counts: Int64, min_count: int, max_size: int) -> Self:
        """Learn from distinct words in alphabetical order and how often each was met."""
        return cls(words[_frequent(counts, min_count, max_size)].tolist())

    @property
    def size(self) -> int:
        return len(self.values_) + 2

    @property
    def unknown(self) -> int | None:
        return UNKNOWN

    def apply(self, values: pa.Array) -> Int64:
        """Ids (int64 [n])."""
        if len(values) == 1:  # a request's own value: a dictionary is quicker than a kernel
            word = values[0].as_py()
            return np.array([MISSING if word is None else self._ids.get(word, UNKNOWN)], np.int64)
        at = pc.index_in(values, value_set=self._set)
        ids: Int64 = pc.fill_null(at, UNKNOWN - 2).to_numpy(zero_copy_only=False).astype(np.int64) + 2
        if values.null_count:
            ids[values.is_null().to_numpy(zero_copy_only=False)] = MISSING
        return ids

    def to_json(self) -> dict[str, Any]:
        return {"kind": "strings", "values": self.values_}


class HashBuckets:
    """Values -> ids 1 ... buckets by a fixed hash; 0 missing.

    `collisions_` counts the values that share an id with another.
    """

    def __init__(self, buckets: int, collisions: int = 0) -> None:
        self.buckets = buckets
        self.collisions_ = collisions

    def fit(self, values: Int64 | pa.Array) -> Self:
        """Count the collisions among the distinct values."""
        if isinstance(values, pa.Array):
            distinct = pc.unique(values.drop_null())
            ids = self.apply_strings(distinct)
        else:
            distinct = np.unique(values)
            ids = self.apply_integers(distinct, None)
        self.collisions_ = len(distinct) - len(np.unique(ids))
        return self

    @property
    def size(self) -> int:
        return self.buckets + 1

    @property
    def unknown(self) -> int | None:
        return None

    def apply_integers(self, values: Int64, missing: Bool | None) -> Int64:
        ids = 1 + (_mix(values.astype(np.uint64)) % np.uint64(self.buckets)).astype(np.int64)
        if missing is not None:
            ids[missing] = MISSING
        return ids

    def apply_strings(self, values: pa.Array) -> Int64:
        coded = values.dictionary_encode()  # each distinct string is hashed once
        digests = [
            int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
            for word in coded.dictionary.to_pylist()
        ]
        ids = np.array([1 + digest % self.buckets for digest in digests] + [MISSING], np.int64)
        codes = pc.fill_null(coded.indices, len(digests)).to_numpy(zero_copy_only=False)
        found: Int64 = ids[codes]
        return found

    def to_json(self) -> dict[str, Any]:
        return {"kind": "hash", "buckets": self.buckets, "collisions": self.collisions_}


class QuantileBuckets:
    """A number -> ids 1 ... by quantile boundaries; 0 missing."""

    def __init__(self, boundaries: Float64) -> None:
        self.boundaries_ = np.ascontiguousarray(boundaries, np.float64)

    @classmethod
    def fit(cls, values: Float64, buckets: int) -> Self:
        """Boundaries at the inner quantiles of `values` (NaN left out); equal ones fall together."""
        known = values[~np.isnan(values)]
        if not len(known):
            return cls(np.zeros(0))
        inner = np.quantile(known, np.arange(1, buckets) / buckets, method="inverted_cdf")
        return cls(np.unique(inner))

    @property
    def size(self) -> int:
        return len(self.boundaries_) + 2

    @property
    def unknown(self) -> int | None:
        return None

    def apply(self, values: Float64) -> Int64:
        ids = 1 + np.searchsorted(self.boundaries_, values, side="left").astype(np.int64)
        ids[np.isnan(values)] = MISSING
        return ids

    def to_json(self) -> dict[str, Any]:
        return {"kind": "quantiles", "boundaries": self.boundaries_.tolist()}


def _frequent(counts: npt.NDArray[np.int64], min_count: int, max_size: int) -> Int64:
    """Positions of the values to keep, most frequent first; ties keep the order they came in."""
    order = np.argsort(-counts, kind="stable")
    kept: Int64 = order[counts[order] >= min_count][:max_size]
    return kept


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014): spreads consecutive ids evenly."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
