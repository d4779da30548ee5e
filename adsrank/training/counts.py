"""How often each value of an embedding table was met, over a table that is read a chunk at a time."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features import source
from adsrank.features.encode import known_integers
from adsrank.features.spec import CROSSES, FeatureRow, Transform, Type
from adsrank.features.vocabulary import WORDS, IntegerVocabulary, StringVocabulary

Int64 = npt.NDArray[np.int64]

ROOM = 4
"""Distinct values kept per place in the vocabulary; past it, the rarest are dropped."""

COUNTED = frozenset({Transform.VOCABULARY, Transform.MULTI_HOT, Transform.SEQUENCE, Transform.CROSS})
"""Transforms whose ids come from a vocabulary, so that how often a value was met decides."""

Readers = list[tuple[FeatureRow, str]]
"""Features with the column of theirs that is looked up in one embedding table."""


class Counts:
    """Counts of the values that all columns of one embedding table have met.

    Exact while there are at most `ROOM x max_size` distinct values. Past that, values met once since the
    last cut are dropped, then twice, and so on until they fit (lossy counting, Manku and Motwani, 2002): a
    value's count is then too low by at most how often it was cut, which is far below what the most
    frequent `max_size` have.
    """

    def __init__(self, readers: Readers) -> None:
        self.readers = readers
        first = readers[0][0]
        self.words = first.type is Type.STRING and first.transform not in CROSSES
        self.most = ROOM * first.max_size
        self.dropped = 0
        """The largest count a dropped value can have had."""
        self._values: npt.NDArray[np.generic] = np.zeros(0, WORDS if self.words else np.int64)
        self._counts: Int64 = np.zeros(0, np.int64)

    def add(self, table: pa.Table) -> None:
        """Count a chunk.

        Raises:
            InputError: a column is of another type; names it.
        """
        found: list[npt.NDArray[np.generic]] = [self._values]
        counts = [self._counts]
        for row, column in self.readers:
            values, count = _words(table, column) if self.words else _integers(table, row, column)
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
        first = self.readers[0][0]
        if self.words:
            return StringVocabulary.of_counts(self._values, self._counts, first.min_count, first.max_size)
        values = self._values.astype(np.int64)
        return IntegerVocabulary.of_counts(values, self._counts, first.min_count, first.max_size)


def counted(rows: Iterable[FeatureRow]) -> dict[str, Counts]:
    """A counter for each embedding table whose ids come from a vocabulary."""
    tables: dict[str, Readers] = {}
    for row in rows:
        for name, column in row.tables:
            tables.setdefault(name, []).append((row, column))
    return {
        name: Counts(readers)
        for name, readers in tables.items()
        if all(row.transform in COUNTED for row, _ in readers)
    }


def _integers(table: pa.Table, row: FeatureRow, column: str) -> tuple[Int64, Int64]:
    return np.unique(known_integers(table, row, column), return_counts=True)


def _words(table: pa.Table, column: str) -> tuple[npt.NDArray[np.generic], Int64]:
    found = pc.value_counts(source.strings(table, column).drop_null())
    words = np.array(found.field("values").to_pylist(), WORDS)
    return words, found.field("counts").to_numpy(zero_copy_only=False).astype(np.int64)
