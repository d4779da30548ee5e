"""The embedding rows that a batch meets, and a batch that counts in them."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from adsrank.models.half import HalfTensors

MARK_UP_TO = 64
"""Rows of the table per id of the batch up to which marking beats sorting."""


class Touched:
    """Finds a batch's distinct rows of a stacked table of `rows` rows.

    Row 0, the padding, always counts as met and stays row 0.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._met = torch.zeros(rows, dtype=torch.bool)
        self._place = torch.zeros(rows, dtype=torch.int64)

    def of(self, halves: Iterable[HalfTensors]) -> tuple[Tensor, list[HalfTensors]]:
        """Distinct rows, rising (int64 [u]), and the halves with row numbers replaced by 0 ... u - 1."""
        halves = list(halves)
        flat = torch.cat([part.reshape(-1) for half in halves for part in _ids(half)])
        if self.rows <= MARK_UP_TO * len(flat):
            self._met.zero_()
            self._met[flat] = True
            self._met[0] = True
            found = self._met.nonzero().squeeze(1)
        else:
            found = torch.unique(torch.cat([flat.new_zeros(1), flat]))
        self._place[found] = torch.arange(len(found))
        return found, [_mapped(half, self._place.__getitem__) for half in halves]


def _ids(half: HalfTensors) -> list[Tensor]:
    return [half.ids, *half.lists, *(sequence.ids for sequence in half.sequences)]


def _mapped(half: HalfTensors, place: Callable[[Tensor], Tensor]) -> HalfTensors:
    return half._replace(
        ids=place(half.ids),
        lists=tuple(place(part) for part in half.lists),
        sequences=tuple(sequence._replace(ids=place(sequence.ids)) for sequence in half.sequences),
    )
