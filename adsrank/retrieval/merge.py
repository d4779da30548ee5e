"""One list of distinct ads out of many ranked lists, each heard in proportion to its share."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.compiled import kernel

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


def merge(lists: Sequence[Int64], shares: Sequence[float], budget: int, size: int) -> tuple[Int64, Int64]:
    """The first `budget` distinct rows of `lists`, taking turns in proportion to `shares`.

    The r-th row of a list (from 1) has its turn at ``r / share``; equal turns go to the earlier list.
    So while all lists last, each gives at least its share of the budget; what a short list or a row
    found twice leaves open, the others fill in the same proportion.

    Args:
        lists: rows below `size`, best first.
        shares: positive, one a list.

    Returns:
        Rows [u <= budget] in turn order, and the number of the list that brought each in.
    """
    lengths = np.asarray([len(rows) for rows in lists], np.int64)
    ends = np.cumsum(lengths)
    every = np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int64, copy=False)
    most = int(min(budget, len(every)))
    rows, origin = np.empty(most, np.int64), np.empty(most, np.int64)
    seen = np.zeros(-(-size // 64), np.uint64)
    taken = _merge(every, ends - lengths, ends, np.asarray(shares, np.float64), seen, rows, origin)
    return rows[:taken], origin[:taken]


@kernel
def _merge(
    every: Int64, place: Int64, ends: Int64, shares: Float64, seen: Bits, rows: Int64, origin: Int64
) -> int:
    start, turn = place.copy(), 1.0 / shares
    taken = 0
    while taken < len(rows):
        best = -1
        for i in range(len(ends)):
            if place[i] < ends[i] and (best < 0 or turn[i] < turn[best]):
                best = i
        if best < 0:
            break
        row = every[place[best]]
        place[best] += 1
        # From the count: adding 1 / share up would drift away from r / share.
        turn[best] = (place[best] - start[best] + 1) / shares[best]
        word, bit = row >> 6, np.uint64(1) << np.uint64(row & 63)
        if not seen[word] & bit:
            seen[word] |= bit
            rows[taken], origin[taken] = row, best
            taken += 1
    return taken
