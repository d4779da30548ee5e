"""The two halves of a batch as tensors: what is the request's, and what is the ad's."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adsrank.features.batch import ActionSequence, Half


class Inputs(NamedTuple):
    """How many columns a half of a batch has.

    `sequences` holds (places, columns of an action) of each action sequence.
    """

    ids: int
    lists: int
    numbers: int
    sequences: tuple[tuple[int, int], ...] = ()


class SequenceTensors(NamedTuple):
    """A `features.batch.ActionSequence`: ids int64 [r, L, C], age float32 [r, L]."""

    ids: Tensor
    age: Tensor

    def take(self, rows: Tensor) -> "SequenceTensors":
        return SequenceTensors(self.ids[rows], self.age[rows])

    def trimmed(self) -> "SequenceTensors":
        """Without the places in front that are padding in all rows; the last one stays."""
        used = self.ids.any(2).any(0).nonzero()
        first = int(used[0]) if len(used) else -1
        return SequenceTensors(self.ids[:, first:], self.age[:, first:])

    def distinct(self) -> tuple["SequenceTensors", Tensor | None]:
        """Neighbours that are equal, as those of one request's ads are, once; and each row's, int64 [r].

        None where there is but one row, which all candidates share.
        """
        if len(self.ids) == 1:
            return self, None
        differs = (self.ids[1:] != self.ids[:-1]).flatten(1).any(1) | (self.age[1:] != self.age[:-1]).any(1)
        first = F.pad(differs, (1, 0), value=True)
        return self.take(first), first.cumsum(0) - 1


class HalfTensors(NamedTuple):
    """A `features.batch.Half`.

    `surface` int64 [r] (0 unknown, 1 ...) is read in place of `ids` where those no longer count in rows of
    the whole table.
    """

    ids: Tensor
    lists: tuple[Tensor, ...]
    numbers: Tensor
    sequences: tuple[SequenceTensors, ...] = ()
    surface: Tensor | None = None

    def take(self, rows: Tensor) -> "HalfTensors":
        """The rows; a half of one row, which all candidates share, stays as it is."""
        if len(self.ids) == 1:
            return self
        return HalfTensors(
            self.ids[rows],
            tuple(part[rows] for part in self.lists),
            self.numbers[rows],
            tuple(part.take(rows) for part in self.sequences),
            None if self.surface is None else self.surface[rows],
        )


class Embedded(NamedTuple):
    """A half after the embedding: vectors float32 [r, F, E], numbers float32 [r, M]."""

    vectors: Tensor
    numbers: Tensor

    @property
    def flat(self) -> Tensor:
        """float32 [r, F E + M]."""
        return torch.cat([self.vectors.flatten(1), self.numbers], 1)


def tensors(half: Half) -> HalfTensors:
    """Share the arrays of `half` with torch (a broadcast or read-only array is copied)."""
    return HalfTensors(
        _tensor(half.ids),
        tuple(_tensor(part) for part in half.lists),
        _tensor(half.numbers),
        tuple(_sequence(part) for part in half.sequences),
    )


def _sequence(sequence: ActionSequence) -> SequenceTensors:
    return SequenceTensors(_tensor(sequence.ids), _tensor(sequence.age))


def _tensor(array: np.ndarray) -> Tensor:
    if not array.flags.writeable or not array.flags.c_contiguous:
        array = np.array(array)
    return torch.from_numpy(array)
