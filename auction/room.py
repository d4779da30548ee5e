"""Memory for large results, taken again once nothing looks at it.

Fresh pages of a few megabytes cost a batch of small auctions more than half of its time.
"""

import sys
import threading
from collections.abc import Iterable

import numpy as np

LARGE = 2**16
"""Bytes from which memory is worth keeping."""

KEPT = 2**26
"""Most bytes that a thread keeps."""

_UNSEEN = 2
"""References to a block that no view of it adds to: the one that is kept, and the one that counts."""


class Room(threading.local):
    """One block a thread. Every view of a block, and every view of a view, holds a reference to it."""

    def __init__(self) -> None:
        self.block = np.empty(0, np.uint8)

    def columns(self, sizes: Iterable[tuple[int, type[np.generic]]]) -> list[np.ndarray]:
        """Columns of so many entries and such a type each; what stands in them is undefined."""
        wanted = [(size, np.dtype(kind)) for size, kind in sizes]
        spans = [-(-size * kind.itemsize // 64) * 64 for size, kind in wanted]
        total = sum(spans)
        if not LARGE <= total <= KEPT:
            return [np.empty(size, kind) for size, kind in wanted]
        if len(self.block) < total or sys.getrefcount(self.block) > _UNSEEN:
            self.block = np.empty(total, np.uint8)
        block, cut, begin = self.block, [], 0
        for (size, kind), span in zip(wanted, spans, strict=True):
            cut.append(block[begin : begin + size * kind.itemsize].view(kind))
            begin += span
        return cut
