"""Features as numbers: what the model reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ActionSequence:
    """The last actions of each user, oldest first, the newest in the last place; padding stands in front.

    Attributes:
        ids: int64 [r, L, C], rows of the stacked embedding table, a column each thing that is known of an
            action (its interest, its type); 0 in all columns is padding.
        age: float32 [r, L], log(1 + seconds from the action to the request); 0 where padding.
    """

    ids: Int64
    age: Float32

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int64 | slice) -> "ActionSequence":
        return ActionSequence(self.ids[rows], self.age[rows])


@dataclass(frozen=True, slots=True)
class Half:
    """The features of the request, or those of the ad (with its match to the request).

    Attributes:
        ids: int64 [r, F], rows of the stacked embedding table, one column a categorical feature.
        lists: int64 [r, L] a multi-hot feature, padded with row 0 of the stacked table.
        numbers: float32 [r, M], value and missing flag of each number, then the values and the missing
            flag of each embedding that is passed through.
        sequences: one an action sequence; of the request half only.
    """

    ids: Int64
    lists: tuple[Int64, ...]
    numbers: Float32
    sequences: tuple[ActionSequence, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def arrays(self) -> list[npt.NDArray[Any]]:
        """All there is, each [r, ...]."""
        sequences = (part for each in self.sequences for part in (each.ids, each.age))
        return [self.ids, *self.lists, self.numbers, *sequences]

    def take(self, rows: Int64 | slice) -> "Half":
        return Half(
            self.ids[rows],
            tuple(part[rows] for part in self.lists),
            self.numbers[rows],
            tuple(part.take(rows) for part in self.sequences),
        )


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """n candidates: the ad half has n rows, the request half n or, for one request, a single row."""

    request: Half
    ad: Half

    def __len__(self) -> int:
        return len(self.ad)

    def take(self, rows: Int64 | slice) -> "FeatureBatch":
        """The candidates of `rows`; a shared request half stays shared."""
        shared = len(self.request) == 1 and len(self.ad) != 1
        return FeatureBatch(self.request if shared else self.request.take(rows), self.ad.take(rows))

    @property
    def ids(self) -> Int64:
        """int64 [n, F] of both halves, request first."""
        wide = np.broadcast_to(self.request.ids, (len(self), self.request.ids.shape[1]))
        return np.concatenate([wide, self.ad.ids], axis=1)

    @property
    def numbers(self) -> Float32:
        """float32 [n, M] of both halves, request first."""
        wide = np.broadcast_to(self.request.numbers, (len(self), self.request.numbers.shape[1]))
        return np.concatenate([wide, self.ad.numbers], axis=1)
