"""The revenue curve: what a reserve earns, by the share of auctions it sells in."""

from dataclasses import dataclass

import numpy as np

from auction.errors import InputError
from auction.hull import upper_hull
from auction.slate import Float64


@dataclass(frozen=True, slots=True)
class RevenueCurve:
    """Points (q, R) of one law or one market: at `price` a share q of auctions sells and earns R.

    R is money per auction held, sold or not. Under a posted price R = q * price; in a second-price auction
    with reserve r it is E[max(second, r) * 1{first >= r}], which is more, because rivals pay too.

    In units of the quantile, the slope dR/dq is the virtual value of the bidder at q (Bulow and Roberts
    1989): where it falls as q rises the law is *regular* and R is concave. Where it is not, Myerson (1981)
    irons: R is replaced by its concave hull. A reserve is the same on both: the hull's greatest value is a
    point of the curve. What ironing does change is who should win.
    """

    sale_rate: Float64
    """[k], in [0, 1], rises."""
    price: Float64
    """[k], does not rise."""
    revenue: Float64
    """[k], not negative."""

    def __post_init__(self) -> None:
        rate, price, revenue = self.sale_rate, self.price, self.revenue
        if not len(rate) == len(price) == len(revenue) >= 1:
            raise InputError("sale_rate", len(rate), "give one sale rate, price and revenue per point")
        for name in ("sale_rate", "price", "revenue"):
            column = getattr(self, name)
            if not (np.isfinite(column).all() and (column >= 0).all()):
                raise InputError(name, "a value that is negative or not finite", "give finite values from 0")
        if rate[-1] > 1 or (np.diff(rate) <= 0).any():
            raise InputError("sale_rate", "points out of order", "give rates that rise, none above 1")
        if (np.diff(price) > 0).any():
            raise InputError("price", "points out of order", "give prices that fall as the sale rate rises")

    def __len__(self) -> int:
        return len(self.sale_rate)

    @property
    def best(self) -> int:
        """The point of greatest revenue; of equal ones the lowest price, and of that the first point.

        The lowest price, because it sells most for the same money. Several points with one price are an atom
        of the law, of which the first is the least that has to be sold to earn that much.
        """
        tied = np.flatnonzero(self.revenue == self.revenue.max())
        return int(tied[self.price[tied] == self.price[tied].min()][0])

    def hull(self) -> tuple[Float64, Float64]:
        """Corners (sale rates, revenues) of the least concave curve that is nowhere below this one.

        It starts at (0, 0), where nothing is sold, unless the curve itself has a point there.
        """
        rate, revenue = self.sale_rate, self.revenue
        if rate[0] > 0:
            rate, revenue = np.append(0.0, rate), np.append(0.0, revenue)
        corner = upper_hull(rate, revenue)
        return rate[corner], revenue[corner]

    def ironed(self) -> Float64:
        """Revenue of the hull at every point, [k]."""
        # The maximum undoes the last bit that interpolation may lose at a corner.
        return np.maximum(np.interp(self.sale_rate, *self.hull()), self.revenue)

    def virtual_value(self) -> Float64:
        """Ironed virtual value at every point, [k]: the hull's slope to its left; it does not rise."""
        rate, revenue = self.hull()
        if len(rate) == 1:
            return self.price.copy()
        slope = np.diff(revenue) / np.diff(rate)
        piece = np.clip(np.searchsorted(rate, self.sale_rate) - 1, 0, len(slope) - 1)
        found: Float64 = slope[piece]
        return found
