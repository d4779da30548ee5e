"""The dual of a bounded blend: concave hull, multiplier, mixture, nearest single policy.

A share of requests decided by one policy and the rest by another brings the mixture of both points, so
whatever lies under the least concave function above the measured points (organic loss across, revenue up)
can be had. On it the Lagrangian revenue - multiplier * loss has its maxima: the multiplier is the slope of
the edge that meets the bound, the revenue that one more unit of organic loss is worth there.
"""

from dataclasses import dataclass

import numpy as np

from auction.blend.bound import Bound
from auction.errors import InputError
from auction.hull import upper_hull
from auction.slate import Float64, Int64


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to a bound, by indexes into the points."""

    single: int
    """The best point that holds the bound by itself."""
    low: int
    """Mixture: the hull's point of less loss ..."""
    high: int
    """... and that of more; the same where one point is the answer."""
    high_share: float
    """Share of requests that `high` decides."""
    multiplier: float
    """Slope of the hull at the bound: current revenues that a loss of all organic value would be worth at
    the margin; 0 where the bound does not bind."""
    organic_loss: float
    """Of the mixture."""
    revenue: float
    """Of the mixture, as a multiple of the current policy's."""


def frontier_of(loss: Float64, revenue: Float64) -> Int64:
    """Vertices of the hull on which more revenue costs more loss, by rising loss.

    Args:
        loss: [n] organic value lost.
        revenue: [n].
    """
    hull = upper_hull(loss, revenue)
    return hull[: int(np.argmax(revenue[hull])) + 1]


def choose(loss: Float64, revenue: Float64, bound: Bound) -> Choice:
    """Meet the bound: on the hull by a mixture, and by the best single point.

    Args:
        loss: [n] share of organic value lost.
        revenue: [n] as a multiple of the current policy's.
        bound: what must hold.

    Raises:
        InputError: no point meets it; says what could be met.
    """
    met = np.flatnonzero([bound.met(*one) for one in zip(loss, revenue, strict=True)])
    if len(met) == 0:
        if bound.max_organic_loss is not None:
            raise InputError("max_organic_loss", bound.max_organic_loss, f"at least {loss.min():.6g} is lost")
        most = f"at most {revenue.max():.6g} times the current revenue is earned"
        raise InputError("min_revenue", bound.min_revenue, most)
    hull = frontier_of(loss, revenue)
    if bound.max_organic_loss is not None:
        target, along = bound.max_organic_loss, loss[hull]
        order = np.lexsort((loss[met], -revenue[met]))
    else:
        assert bound.min_revenue is not None
        target, along = bound.min_revenue, revenue[hull]
        order = np.lexsort((-revenue[met], loss[met]))
    single = int(met[order[0]])
    at = int(np.searchsorted(along, target))
    if at == len(hull):
        # Room beyond the greatest revenue: nothing to trade.
        end = int(hull[-1])
        return Choice(single, end, end, 0.0, 0.0, float(loss[end]), float(revenue[end]))
    if at == 0:
        # The least loss there is; its first edge says what a little more would bring.
        end = int(hull[0])
        slope = _slope(loss, revenue, end, int(hull[1])) if len(hull) > 1 else 0.0
        return Choice(single, end, end, 0.0, slope, float(loss[end]), float(revenue[end]))
    low, high = int(hull[at - 1]), int(hull[at])
    share = float((target - along[at - 1]) / (along[at] - along[at - 1]))
    return Choice(
        single,
        low,
        high,
        share,
        _slope(loss, revenue, low, high),
        float((1 - share) * loss[low] + share * loss[high]),
        float((1 - share) * revenue[low] + share * revenue[high]),
    )


def _slope(loss: Float64, revenue: Float64, low: int, high: int) -> float:
    return float((revenue[high] - revenue[low]) / (loss[high] - loss[low]))
