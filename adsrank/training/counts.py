"""How often each value of an embedding table was met, over a table that is read a chunk at a time."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features import source
from adsrank.features.spec import FeatureRow, Transform, Type
from adsrank.features.vocabulary import IntegerVocabulary, StringVocabulary

Int64 = npt.NDArray[np.int64]

ROOM = 4
"""Distinct values kept per place in the vocabulary; past it, the rarest are dropped."""

PLAIN = frozenset({Transform.VOCABULARY, Transform.MULTI_HOT})
"""Transforms whose vocabulary is counted here: their values are a source column's own."""


class Counts:
    """Counts of the values that `rows`, which share one embedding table, have met.

    Exact while there are at most `ROOM x max_size` distinct values. Past that, values met once since the
    last cut are dropped, then twice, and so on until they fit (lossy counting, Manku and Motwani, 2002): a
    value's count is then too low by at most how often it was cut, which is far below what the most
    frequent `max_size` have.
    """

    def __init__(self, rows: list[FeatureRow]) -> None:
        self.rows = rows
        self.words = rows[0].type is Type.STRING
        self.most = ROOM * rows[0].max_size
        self.dropped = 0
        """The largest count a dropped value can have had."""
        self._values: npt.NDArray[np.generic] = np.zeros(0, np.str_ if self.words else np.int64)
        self._counts: Int64 = np.zeros(0, np.int64)

    def add(self, table: pa.Table) -> None:
        """Count a chunk.

        Raises:
            InputError: a column is of another type; names it.
        """
        found: list[npt.NDArray[np.generic]] = [self._values]
        counts = [self._counts]
        for row in self.rows:
            values, count = _words(table, row) if self.words else _integers(table, row)
            found.append(values)
            counts.append(count)
        self._values, at = np.unique(np.concatenate(found), return_inverse=True)
        self._counts = np.bincount(at, np.concatenate(counts), len(self._values)).astype(np.int64)
        while len(self._values) > self.most:
            least = int(self._counts.min())
            kept = self._counts > least
            self._values, self._counts = self._values[kept], self._counts[kept]
            self.dropped += least

    def encoder(self) -> IntegerVocabulary | StringVocabulary:
        """The vocabulary of what was counted."""
        first = self.rows[0]
        if self.words:
            words = self._values.astype(object)
            return StringVocabulary.of_counts(words, self._counts, first.min_count, first.max_size)
        values = self._values.astype(np.int64)
        return IntegerVocabulary.of_counts(values, self._counts, first.min_count, first.max_size)


def counted(rows: Iterable[FeatureRow]) -> dict[str, Counts]:
    """A counter for each embedding table that only plain rows share."""
    tables: dict[str, list[FeatureRow]] = {}
    for row in rows:
        tables.setdefault(row.embedding, []).append(row)
    return {
        name: Counts(sharing)
        for name, sharing in tables.items()
        if all(row.transform in PLAIN for row in sharing)
    }


def _integers(table: pa.Table, row: FeatureRow) -> tuple[Int64, Int64]:
    if row.type is Type.LIST:
        values = source.lists(table, row.source)[0]
    else:
        values, missing = source.integers(table, row.source)
        values = values if missing is None else values[~missing]
    return np.unique(values, return_counts=True)


def _words(table: pa.Table, row: FeatureRow) -> tuple[npt.NDArray[np.generic], Int64]:
    found = pc.value_counts(source.strings(table, row.source).drop_null())
    words = np.array(found.field("values").to_pylist(), dtype=np.str_)
    return words, found.field("counts").to_numpy(zero_copy_only=False).astype(np.int64)
