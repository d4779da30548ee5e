"""In which order an epoch goes through the rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

BLOCKS = 16
"""Blocks that a window is put together from: rows of 16 places in time are mixed."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows held in memory together: blocks [start, stop) of the table, and the order of their rows."""

    blocks: list[tuple[int, int]]
    order: Int64
    """A permutation of the blocks' rows, counted in the order of `blocks`."""


@dataclass(frozen=True, slots=True)
class EpochOrder:
    """A shuffle of n rows that never needs more than about `window` of them at once.

    A table of at most `window` rows is one window, wholly shuffled. A longer one is cut into blocks of
    window / 16 rows; the blocks are shuffled, 16 of them make a window, and a window's rows are shuffled.
    The order is a function of (rows, window, seed, epoch) alone, whatever files the rows lie in.
    """

    rows: int
    window: int
    batch: int
    seed: int
    epoch: int

    def batches(self) -> int:
        """How many batches the epoch has; the last of each window may be smaller."""
        return sum(
            -(-sum(stop - start for start, stop in blocks) // self.batch) for blocks in self._windows()
        )

    def windows(self) -> Iterator[Window]:
        """The epoch's windows, in order."""
        for number, blocks in enumerate(self._windows()):
            size = sum(stop - start for start, stop in blocks)
            yield Window(blocks, self._generator(number + 1).permutation(size))

    def _windows(self) -> list[list[tuple[int, int]]]:
        if self.rows <= self.window:
            return [[(0, self.rows)]]
        size = max(1, self.window // BLOCKS)
        starts = self._generator(0).permutation(-(-self.rows // size)) * size
        blocks = [(int(start), min(int(start) + size, self.rows)) for start in starts]
        return [blocks[first : first + BLOCKS] for first in range(0, len(blocks), BLOCKS)]

    def _generator(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, self.epoch, number]))


def side_by_side(order: Int64, moment: Int64) -> Int64:
    """The same shuffle with the rows of one moment, which are one request's, behind the first of them.

    Parameters:
        order: permutation of n rows.
        moment: of each row, int64 [n]; equal neighbours are one request.
    """
    starts = np.flatnonzero(np.diff(moment, prepend=moment[0] - 1))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    first = np.repeat(np.minimum.reduceat(place, starts), np.diff(starts, append=len(moment)))
    return np.argsort(first, kind="stable")
