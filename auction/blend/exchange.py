"""What an ad exchange pays for an impression, as a function of the reserve that the publisher asks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auction.errors import InputError
from auction.hull import upper_hull
from auction.reserve.exchange import ExchangeTable
from auction.slate import Float64, Int64


@dataclass(frozen=True, slots=True)
class ExchangeCurve:
    """The concave envelope of expected revenue over the probability of a sale.

    Level 0 does not offer the impression at all: sold 0, revenue 0, no price. A point of the envelope
    between two levels is had by drawing between their reserves, so no reserve outside it is worth asking.
    """

    sold: Float64
    """[levels], rising from 0: probability that the exchange takes the impression at the level's reserve."""
    reserve: Float64
    """[levels], in the unit of the data; infinite at level 0."""
    revenue: Float64
    """[levels], expected per impression offered, sold or not."""

    @classmethod
    def of(cls, sold: Float64, reserve: Float64, revenue: Float64) -> "ExchangeCurve":
        """The envelope of measured points, [k] each, in any order.

        Points that are never sold are left out whatever revenue they name: level 0 stands for them.

        Raises:
            InputError: not finite, a probability outside [0, 1], a negative revenue, lengths that differ,
                or no point that is ever sold.
        """
        points = np.stack([np.asarray(column, np.float64) for column in (sold, reserve, revenue)])
        if not np.isfinite(points).all() or points.shape[1] == 0:
            raise InputError("exchange curve", points.shape, "give finite sold, reserve and revenue columns")
        if points[0].min() < 0 or points[0].max() > 1 or points[2].min() < 0:
            raise InputError("exchange curve", float(points[0].max()), "sold in [0, 1], revenue not negative")
        points = points[:, points[0] > 0]
        if points.shape[1] == 0:
            raise InputError("exchange curve", 0.0, "give a reserve at which some impression is sold")
        points = points[:, np.lexsort((-points[2], points[0]))]
        points = np.concatenate([[[0.0], [np.inf], [0.0]], points], axis=1)
        kept = upper_hull(points[0], points[2])
        return cls(points[0, kept], points[1, kept], points[2, kept])

    @classmethod
    def of_table(cls, table: ExchangeTable) -> "ExchangeCurve":
        """The envelope of an exchange's own table."""
        return cls.of(table.accept, table.price, table.revenue)

    @property
    def slope(self) -> Float64:
        """[levels - 1], falling: what one more sale brings from each level to the next."""
        slope: Float64 = np.diff(self.revenue) / np.diff(self.sold)
        return slope

    def level(self, opportunity_cost: npt.ArrayLike) -> Int64:
        """The best level where an impression that is not sold is worth `opportunity_cost`.

        It is arg max over levels of revenue + (1 - sold) * cost: sell on while a sale brings more than
        the impression is worth to the contracts (the R(c) of Balseiro et al. 2014).
        """
        level: Int64 = np.searchsorted(-self.slope, -np.asarray(opportunity_cost, np.float64), side="left")
        return level

    def value(self, opportunity_cost: Float64) -> Float64:
        """R(c): expected worth of an impression, offered at its best reserve."""
        at = self.level(opportunity_cost)
        worth: Float64 = self.revenue[at] + (1 - self.sold[at]) * opportunity_cost
        return worth
