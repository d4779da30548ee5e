"""Encoded rows with their labels, oldest first: in memory, or read from files a range at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from adsrank.features.batch import ActionSequence, FeatureBatch, Half
from adsrank.training.labels import Labels
from adsrank.training.store import Store

HALVES = ("request", "ad")
READ = 65_536
"""Rows read at a time where few of them are kept."""


class Rows(Protocol):
    """n rows of a table, features and labels."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> "Rows":
        """Rows [start, stop) as rows of their own; nothing is read yet."""

    def read(self, start: int, stop: int) -> tuple[FeatureBatch, Labels]:
        """Rows [start, stop) in memory."""


def evenly(rows: Rows, most: int) -> tuple[FeatureBatch, Labels]:
    """All rows where there are at most `most`, else every k-th with the least k that leaves no more."""
    step = -(-len(rows) // most)
    if step <= 1:
        return rows.read(0, len(rows))
    batches, labels = [], []
    for start in range(0, len(rows), READ * step):
        stop = min(start + READ * step, len(rows))
        for low in range(start, stop, READ):
            batch, told = rows.read(low, min(low + READ, stop))
            kept = np.arange(-low % step, len(batch), step)
            batches.append(batch.take(kept))
            labels.append(told.take(kept))
    return joined(batches), joined_labels(labels)


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """Rows whose arrays are all there."""

    batch: FeatureBatch
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, stop: int) -> Self:
        return type(self)(*self.read(start, stop))

    def read(self, start: int, stop: int) -> tuple[FeatureBatch, Labels]:
        if start == 0 and stop == len(self):
            return self.batch, self.labels
        rows = slice(start, stop)
        return self.batch.take(rows), self.labels.take(rows)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows [start, stop) of two stores: `features` as `columns_of` named them, and `labels`."""

    features: Store
    labels: Store
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Self:
        return type(self)(self.features, self.labels, self.start + start, self.start + stop)

    def read(self, start: int, stop: int) -> tuple[FeatureBatch, Labels]:
        low, high = self.start + start, self.start + stop
        found = {name: self.features.read(name, low, high) for name in self.features.names}
        told = {name: self.labels.read(name, low, high) for name in self.labels.names}
        return batch_of(found), Labels(**told)


def columns_of(batch: FeatureBatch, widths: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
    """A batch's arrays by name, as a store keeps them: ids as int32, lists padded to `widths`."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name in HALVES:
        half: Half = getattr(batch, name)
        if len(half) != len(batch):
            half = half.take(np.zeros(len(batch), np.int64))
        found[f"{name}.ids"] = half.ids.astype(np.int32)
        found[f"{name}.numbers"] = np.ascontiguousarray(half.numbers)
        for number, part in enumerate(half.lists):
            key = f"{name}.lists.{number}"
            wide = np.zeros((len(part), widths[key]), np.int32)
            wide[:, : part.shape[1]] = part
            found[key] = wide
        for number, sequence in enumerate(half.sequences):
            found[f"{name}.sequences.{number}.ids"] = sequence.ids.astype(np.int32)
            found[f"{name}.sequences.{number}.age"] = np.ascontiguousarray(sequence.age)
    return found


def batch_of(columns: Mapping[str, npt.NDArray[Any]]) -> FeatureBatch:
    """The batch that `columns_of` took apart; lists are cut to the longest that is there."""
    halves = []
    for name in HALVES:
        lists = [_cut(columns[key].astype(np.int64)) for key in _numbered(columns, f"{name}.lists.", "")]
        sequences = [
            ActionSequence(columns[key].astype(np.int64), columns[key.removesuffix("ids") + "age"])
            for key in _numbered(columns, f"{name}.sequences.", ".ids")
        ]
        halves.append(
            Half(
                columns[f"{name}.ids"].astype(np.int64),
                tuple(lists),
                columns[f"{name}.numbers"],
                tuple(sequences),
            )
        )
    return FeatureBatch(*halves)


def joined(batches: list[FeatureBatch]) -> FeatureBatch:
    """One batch after the other; lists are padded to the longest."""
    if len(batches) == 1:
        return batches[0]
    halves = []
    for name in HALVES:
        parts: list[Half] = [getattr(batch, name) for batch in batches]
        if any(len(part) != len(batch) for part, batch in zip(parts, batches, strict=True)):
            halves.append(parts[0])  # one row for all
            continue
        halves.append(
            Half(
                np.concatenate([part.ids for part in parts]),
                tuple(_padded([part.lists[k] for part in parts]) for k in range(len(parts[0].lists))),
                np.concatenate([part.numbers for part in parts]),
                tuple(
                    ActionSequence(
                        np.concatenate([part.sequences[k].ids for part in parts]),
                        np.concatenate([part.sequences[k].age for part in parts]),
                    )
                    for k in range(len(parts[0].sequences))
                ),
            )
        )
    return FeatureBatch(*halves)


def label_arrays(labels: Labels) -> dict[str, npt.NDArray[Any]]:
    """The columns that the table has, by name."""
    found = {field.name: getattr(labels, field.name) for field in fields(Labels)}
    return {name: values for name, values in found.items() if values is not None}


def joined_labels(parts: list[Labels]) -> Labels:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    columns = [label_arrays(part) for part in parts]
    return Labels(**{name: np.concatenate([part[name] for part in columns]) for name in columns[0]})


def _numbered(columns: Mapping[str, Any], before: str, after: str) -> list[str]:
    count = sum(name.startswith(before) and name.endswith(after) for name in columns)
    return [f"{before}{number}{after}" for number in range(count)]


def _cut(lists: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    used = np.flatnonzero(lists.any(axis=0))
    return lists[:, : used[-1] + 1 if len(used) else 1]


def _padded(parts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    wide = np.zeros((sum(len(part) for part in parts), max(part.shape[1] for part in parts)), np.int64)
    at = 0
    for part in parts:
        wide[at : at + len(part), : part.shape[1]] = part
        at += len(part)
    return wide
