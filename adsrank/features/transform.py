"""The compiled feature table: one object that training and serving apply to their columns."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from adsrank.errors import InputError
from adsrank.features import sequence, source
from adsrank.features.batch import ActionSequence, FeatureBatch, Float32, Half
from adsrank.features.encode import encode, fit_encoder, read_number
from adsrank.features.scale import Scale
from adsrank.features.source import Columns, Int64
from adsrank.features.spec import NUMERIC, SINGLE, FeatureRow, FeatureSpec, Transform, Type
from adsrank.features.stored import read_encoder, read_scale, read_vector
from adsrank.features.vector import PassedVector
from adsrank.features.vocabulary import Encoder, IntegerVocabulary, StringVocabulary

PADDING = 0
"""Row 0 of the stacked embedding table pads lists and belongs to no feature."""

SURFACE = "surface"

VERSION, READ = 2, (1, 2)
"""Version of the JSON, and those that are read: 1 has no counts of what training saw."""


class CompiledTransform:
    """A fitted `FeatureSpec`.

    All categorical features share one stacked embedding table: `starts_[table]` is where a table's
    rows begin, `rows_` how many there are, `unknown_` maps each row of a batch's ad ids to the row
    that stands for values never seen (0 where there is none).
    """

    def __init__(
        self,
        spec: FeatureSpec,
        encoders: dict[str, Encoder],
        scales: dict[str, Scale],
        vectors: dict[str, PassedVector] | None = None,
    ) -> None:
        self.spec = spec
        self.encoders_ = encoders
        self.scales_ = scales
        self.vectors_ = vectors or {}
        self.starts_: dict[str, int] = {}
        start = PADDING + 1
        for name, encoder in encoders.items():
            self.starts_[name] = start
            start += encoder.size
        self.rows_ = start
        self._request = [row for row in spec.features if row.of_request]
        self._ad = [row for row in spec.features if not row.of_request]

    @classmethod
    def fit(cls, table: pa.Table, spec: FeatureSpec) -> Self:
        """Learn vocabularies, quantiles and scales from the training rows, and from nothing later.

        Raises:
            InputError: a source column is absent or of another type; names it.
        """
        readers: dict[str, list[tuple[FeatureRow, str]]] = {}
        scales: dict[str, Scale] = {}
        vectors: dict[str, PassedVector] = {}
        for row in spec.features:
            if row.transform in NUMERIC:
                scales[row.name] = Scale.fit(row.transform, read_number(row, table))
            elif row.size is not None:
                vectors[row.name] = PassedVector.fit(row.size, source.vectors(table, row.source, row.size)[1])
            for name, column in row.tables:
                readers.setdefault(name, []).append((row, column))
        encoders = {name: fit_encoder(table, sharing) for name, sharing in readers.items()}
        return cls(spec, encoders, scales, vectors)

    def apply(self, columns: Columns) -> FeatureBatch:
        """Features of a table (a row each) or of one request's candidates (request half: one row).

        Raises:
            InputError: a column is absent, of another type, or of another length than the rest.
        """
        request, ad = self._half(self._request, columns), self._half(self._ad, columns)
        if len(request) not in (1, len(ad)):
            first = self._request[0].source
            raise InputError(
                first, len(request), f"give one value for the request or {len(ad)}, one a candidate"
            )
        return FeatureBatch(request, ad)

    def _half(self, rows: list[FeatureRow], columns: Columns) -> Half:
        ids: list[Int64] = []
        lists: list[Int64] = []
        numbers: list[Float32] = []
        vectors: list[Float32] = []
        sequences: list[ActionSequence] = []
        sizes: dict[str, int] = {}
        for row in rows:
            if row.transform in NUMERIC:
                values = read_number(row, columns)
                pair = np.empty((len(values), 2), np.float32)
                self.scales_[row.name].apply(values, pair)
                numbers.append(pair)
                sizes[row.other or row.source] = len(values)
            elif row.transform is Transform.MULTI_HOT:
                lists.append(self._bag(row, columns))
                sizes[row.source] = len(lists[-1])
            elif row.transform is Transform.SEQUENCE:
                sequences.append(self._actions(row, columns))
                sizes[row.source] = len(sequences[-1])
            elif row.size is not None:
                passed = self.vectors_[row.name]
                vectors.append(passed.apply(*source.vectors(columns, row.source, row.size)))
                sizes[row.source] = len(vectors[-1])
            else:
                ids.append(encode(self.encoders_[row.embedding], row, columns) + self.starts_[row.embedding])
                sizes[row.source] = len(ids[-1])
        n = _agreed(sizes)
        return Half(
            _columns(ids, n),
            tuple(np.broadcast_to(part, (n, part.shape[1])) for part in lists),
            _blocks(numbers + vectors, n),
            tuple(_widened(part, n) for part in sequences),
        )

    def _actions(self, row: FeatureRow, columns: Columns) -> ActionSequence:
        values, age, offsets = sequence.read(columns, row)
        ids = []
        for (table, _), column in zip(row.tables, values, strict=True):
            encoder = self.encoders_[table]
            assert isinstance(encoder, IntegerVocabulary)
            ids.append(encoder.apply(column, column == 0) + self.starts_[table])
        return sequence.pad(ids, age, offsets, row.max_length)

    def _bag(self, row: FeatureRow, columns: Columns) -> Int64:
        """int64 [r, L]: the last `max_length` elements of each list, as rows of the stacked table."""
        encoder = self.encoders_[row.embedding]
        assert isinstance(encoder, IntegerVocabulary)
        values, offsets = source.lists(columns, row.source)
        start = self.starts_[row.embedding]
        ids = encoder.apply(values, None) + start
        end = offsets[1:]
        kept = np.minimum(end - offsets[:-1], row.max_length)
        width = max(1, int(kept.max(initial=1)))
        place = np.arange(width)
        inside = place < kept[:, None]
        at = (end - kept)[:, None] + place
        bag = np.full(inside.shape, PADDING, np.int64)
        bag[inside] = ids[at[inside]]
        bag[kept == 0, 0] = start  # the missing row: an empty list is not a list of nothing in particular
        return bag

    @property
    def unknown_(self) -> Int64:
        """int64 [F of the ad half]: the stacked row of "any other value"; 0 where there is none."""
        found = []
        for row in self._ad:
            if row.transform not in SINGLE:
                continue
            unknown = self.encoders_[row.embedding].unknown
            found.append(PADDING if unknown is None else self.starts_[row.embedding] + unknown)
        return np.array(found, np.int64)

    @property
    def silent_(self) -> Int64:
        """Stacked rows that start as zeros, so that what training never met adds nothing."""
        rows = [PADDING]
        for name, encoder in self.encoders_.items():
            rows.append(self.starts_[name])
            if encoder.unknown is not None:
                rows.append(self.starts_[name] + encoder.unknown)
        return np.array(rows, np.int64)

    @property
    def sources(self) -> list[str]:
        """The columns that `apply` reads."""
        return sorted({name for row in self.spec.features for name in row.sources})

    def width(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """(categorical features, lists, columns of numbers with their flags) of the request half and the ad
        half; for the sequences see `sequences_`."""
        return _width(self._request), _width(self._ad)

    @property
    def sequences_(self) -> list[tuple[int, int]]:
        """(L, C) of each action sequence: most actions, and columns of one."""
        return [
            (row.max_length, len(row.tables)) for row in self._request if row.transform is Transform.SEQUENCE
        ]

    @property
    def surface_column_(self) -> int | None:
        """Column of the request half's `ids` that holds the feature named `surface`; None without one.

        It is the vocabulary of strings that the request group's feature of that name declares. Its k-th
        word (from 1) has the id `surface_base_ + k`; missing and unknown surfaces have ids up to the base.
        """
        singles = [row for row in self._request if row.transform in SINGLE]
        for column, row in enumerate(singles):
            if row.name == SURFACE and row.transform is Transform.VOCABULARY and row.type is Type.STRING:
                return column
        return None

    @property
    def surface_table_(self) -> str | None:
        """The embedding table of the surfaces; None without such a feature."""
        if self.surface_column_ is None:
            return None
        return next(row.embedding for row in self._request if row.name == SURFACE)

    @property
    def surfaces_(self) -> tuple[str, ...]:
        """The surfaces that training knew, in the order of their ids; empty without such a feature."""
        table = self.surface_table_
        if table is None:
            return ()
        encoder = self.encoders_[table]
        assert isinstance(encoder, StringVocabulary)
        return tuple(encoder.values_)

    @property
    def surface_base_(self) -> int:
        """`max(id - surface_base_, 0)` is the index of a surface: 0 unknown, 1.. as in `surfaces_`."""
        table = self.surface_table_
        return 0 if table is None else self.starts_[table] + 1

    def cheap(self) -> list[int]:
        """Columns of `FeatureBatch.ad.numbers` that the first stage reads (values, not flags)."""
        numeric = [row for row in self._ad if row.transform in NUMERIC]
        return [2 * position for position, row in enumerate(numeric) if row.cheap]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "spec": self.spec.model_dump(mode="json"),
            "encoders": {name: encoder.to_json() for name, encoder in self.encoders_.items()},
            "scales": {name: scale.to_json() for name, scale in self.scales_.items()},
            "vectors": {name: vector.to_json() for name, vector in self.vectors_.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`.

        Raises:
            InputError: not a transform, or not one that fits its own spec; names the field.
        """
        if not isinstance(data, Mapping) or data.get("version") not in READ:
            found = data.get("version") if isinstance(data, Mapping) else type(data).__name__
            raise InputError("version", found, f"this release reads versions {READ}; train again")
        try:
            spec = FeatureSpec.model_validate(data.get("spec"))
        except ValueError as error:
            raise InputError("spec", "invalid", str(error).split("\n")[0]) from None
        encoders: dict[str, Encoder] = {}
        scales: dict[str, Scale] = {}
        vectors: dict[str, PassedVector] = {}
        for row in spec.features:
            if row.transform in NUMERIC:
                scales[row.name] = read_scale(row, data.get("scales"))
            elif row.size is not None:
                vectors[row.name] = read_vector(row, data.get("vectors"))
            for table, _ in row.tables:
                if table not in encoders:
                    encoders[table] = read_encoder(row, table, data.get("encoders"))
        return cls(spec, encoders, scales, vectors)


def _agreed(sizes: dict[str, int]) -> int:
    """The one length of a half's columns; scalars (length 1) go with any.

    Raises:
        InputError: two lengths; names the odd column.
    """
    n = 1
    for name, size in sizes.items():
        if size == 1:
            continue
        if n not in (1, size):
            raise source.other_length(name, size, n)
        n = size
    return n


def _columns(parts: list[Int64], n: int) -> Int64:
    out: Int64 = np.empty((n, len(parts)), np.int64)
    for number, part in enumerate(parts):
        out[:, number] = part
    return out


def _blocks(parts: list[Float32], n: int) -> Float32:
    out = np.empty((n, sum(part.shape[1] for part in parts)), np.float32)
    at = 0
    for part in parts:
        out[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return out


def _widened(part: ActionSequence, n: int) -> ActionSequence:
    if len(part) == n:
        return part
    return ActionSequence(
        np.broadcast_to(part.ids, (n, *part.ids.shape[1:])), np.broadcast_to(part.age, (n, part.age.shape[1]))
    )


def _width(rows: list[FeatureRow]) -> tuple[int, int, int]:
    numbers = sum(2 for row in rows if row.transform in NUMERIC)
    return (
        sum(row.transform in SINGLE for row in rows),
        sum(row.transform is Transform.MULTI_HOT for row in rows),
        numbers + sum(row.size + 1 for row in rows if row.size is not None),
    )
