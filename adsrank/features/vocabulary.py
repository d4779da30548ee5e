"""Encoders of categories: value -> row of an embedding table. Row 0 is missing in all of them."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features import fingerprint
from adsrank.features.source import Bool, Float64, Int64

MISSING = 0
UNKNOWN = 1
MAX_WORD = 1024
"""Characters from which a word is 'any other': a bundle keeps no longer ones."""
WORDS = np.dtypes.StringDType()
"""Texts at their own length: a fixed width would hold each at that of the longest, and drop a last NUL."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What training showed an encoder: `values` known values, `distinct` of them, `own` with an id apart."""

    values: int
    distinct: int
    own: int

    def to_json(self) -> dict[str, int]:
        return {"values": self.values, "distinct": self.distinct, "own": self.own}


class Encoder(Protocol):
    """A fitted encoder: `size` rows, of which `unknown` (if any) stands for values never seen."""

    seen_: Seen | None

    @property
    def size(self) -> int: ...

    @property
    def unknown(self) -> int | None: ...

    def to_json(self) -> dict[str, Any]: ...


class IntegerVocabulary:
    """Frequent integers -> ids 2, 3, ... (most frequent first, then smaller); 1 any other, 0 missing."""

    def __init__(self, values: Int64, seen: Seen | None = None) -> None:
        self.seen_ = seen
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
        kept = _frequent(counts, min_count, max_size)
        return cls(distinct[kept], Seen(int(counts.sum()), len(distinct), int(counts[kept].sum())))

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
        return {"kind": "integers", "values": self.values_.tolist()} | _seen(self.seen_)


class StringVocabulary:
    """Frequent strings -> ids 2, 3, ... (most frequent first, then alphabetical); 1 any other, 0 missing."""

    def __init__(self, values: list[str], seen: Seen | None = None) -> None:
        self.seen_ = seen
        self.values_ = values
        self._set = pa.array(values, pa.string())
        self._ids = {value: number + 2 for number, value in enumerate(values)}

    @classmethod
    def fit(cls, values: pa.Array, min_count: int, max_size: int) -> Self:
        """Learn from a string array; nulls are missing."""
        found, counts = _counted(pc.value_counts(values.drop_null()))
        words = np.array(found.to_pylist(), WORDS)
        order = np.argsort(words)
        return cls.of_counts(words[order], counts[order], min_count, max_size)

    @classmethod
    def of_counts(cls, words: npt.NDArray[Any], counts: Int64, min_count: int, max_size: int) -> Self:
        """Learn from distinct words in alphabetical order and how often each was met."""
        kept = _frequent(counts, min_count, max_size)
        kept = kept[np.array([len(word) <= MAX_WORD for word in words[kept]], np.bool_)]
        return cls(words[kept].tolist(), Seen(int(counts.sum()), len(words), int(counts[kept].sum())))

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
        return {"kind": "strings", "values": self.values_} | _seen(self.seen_)


class HashBuckets:
    """Values -> ids 1 ... buckets by a fixed hash; 0 missing.

    `collisions_` counts the values that share an id with another.
    """

    def __init__(self, buckets: int, collisions: int = 0, seen: Seen | None = None) -> None:
        self.buckets = buckets
        self.collisions_ = collisions
        self.seen_ = seen

    def fit(self, values: Int64 | pa.Array) -> Self:
        """Count the collisions among the distinct values."""
        if isinstance(values, pa.Array):
            distinct, counts = _counted(pc.value_counts(values.drop_null()))
            ids = self.apply_strings(distinct)
        else:
            distinct, counts = np.unique(values, return_counts=True)
            ids = self.apply_integers(distinct, None)
        used, inverse, sharing = np.unique(ids, return_inverse=True, return_counts=True)
        self.collisions_ = len(ids) - len(used)
        own = counts[sharing[inverse] == 1]
        self.seen_ = Seen(int(counts.sum()), len(ids), int(own.sum()))
        return self

    @property
    def size(self) -> int:
        return self.buckets + 1

    @property
    def unknown(self) -> int | None:
        return None

    def apply_integers(self, values: Int64, missing: Bool | None) -> Int64:
        return self._of(fingerprint.mix(values.astype(np.uint64)), missing)

    def apply_strings(self, values: pa.Array) -> Int64:
        return self._of(*fingerprint.of_strings(values))

    def _of(self, digests: fingerprint.UInt64, missing: Bool | None) -> Int64:
        ids = 1 + (digests % np.uint64(self.buckets)).astype(np.int64)
        if missing is not None:
            ids[missing] = MISSING
        return ids

    def to_json(self) -> dict[str, Any]:
        found = {"kind": "hash", "buckets": self.buckets, "collisions": self.collisions_}
        return found | _seen(self.seen_)


class QuantileBuckets:
    """A number -> ids 1 ... by quantile boundaries; 0 missing."""

    def __init__(self, boundaries: Float64, seen: Seen | None = None) -> None:
        self.seen_ = seen
        self.boundaries_ = np.ascontiguousarray(boundaries, np.float64)

    @classmethod
    def fit(cls, values: Float64, buckets: int) -> Self:
        """Boundaries at the inner quantiles of `values` (NaN left out); equal ones fall together."""
        known = values[~np.isnan(values)]
        if not len(known):
            return cls(np.zeros(0))
        inner = np.quantile(known, np.arange(1, buckets) / buckets, method="inverted_cdf")
        return cls(np.unique(inner), Seen(len(known), len(np.unique(known)), len(known)))

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
        return {"kind": "quantiles", "boundaries": self.boundaries_.tolist()} | _seen(self.seen_)


def _frequent(counts: npt.NDArray[np.int64], min_count: int, max_size: int) -> Int64:
    """Positions of the values to keep, most frequent first; ties keep the order they came in."""
    order = np.argsort(-counts, kind="stable")
    kept: Int64 = order[counts[order] >= min_count][:max_size]
    return kept


def _counted(table: pa.StructArray) -> tuple[pa.Array, Int64]:
    return table.field("values"), table.field("counts").to_numpy(zero_copy_only=False)


def _seen(seen: Seen | None) -> dict[str, Any]:
    return {} if seen is None else {"seen": seen.to_json()}
