"""The least concave function above some points."""

import numpy as np

from auction.slate import Float64, Int64


def upper_hull(across: Float64, up: Float64) -> Int64:
    """Indexes of the vertices of the least concave function above the points, from left to right.

    Of points at one place only the highest can be a vertex; points on an edge are none. Andrew's
    monotone chain (1979).

    Args:
        across: [n], finite.
        up: [n], finite.
    """
    order = np.lexsort((-up, across))
    kept: list[int] = []
    for at in order.tolist():
        if kept and across[at] == across[kept[-1]]:
            continue
        while len(kept) > 1 and _below(across, up, kept[-2], kept[-1], at):
            kept.pop()
        kept.append(at)
    return np.array(kept, np.int64)


def _below(across: Float64, up: Float64, first: int, middle: int, last: int) -> bool:
    """Whether the middle point is on or under the line from the first to the last."""
    rise = (up[middle] - up[first]) * (across[last] - across[first])
    return bool(rise <= (up[last] - up[first]) * (across[middle] - across[first]))
