"""An exchange's own table: what it accepts, pays and earns at each price."""

from dataclasses import dataclass
from typing import Self

import numpy.typing as npt

from auction.errors import InputError
from auction.reserve.curve import RevenueCurve
from auction.reserve.empirical import EmpiricalLaw
from auction.reserve.values import as_values
from auction.slate import Float64


@dataclass(frozen=True, slots=True)
class ExchangeTable:
    """Rows of (accept probability, price, revenue) that an exchange has in a second-price auction.

    The highest bid meets `price` with probability `accept`; with it as a reserve an impression earns
    `revenue` on average, sold or not. Prices are in the table's own unit.
    """

    accept: Float64
    """[k], rises."""
    price: Float64
    """[k], does not rise."""
    revenue: Float64
    """[k]: E[max(second, price) * 1{first >= price}]."""

    @classmethod
    def of(cls, accept: npt.ArrayLike, price: npt.ArrayLike, revenue: npt.ArrayLike) -> Self:
        """Check a table.

        Raises:
            InputError: columns of different length, rows out of order, a value that is refused.
        """
        curve = cls(as_values("accept", accept), as_values("price", price), as_values("revenue", revenue))
        if not len(curve.accept) == len(curve.price) == len(curve.revenue):
            raise InputError("accept", len(curve.accept), "give one accept, price and revenue per row")
        curve.curve()
        return curve

    def __len__(self) -> int:
        return len(self.accept)

    @property
    def best(self) -> int:
        """The row of the best reserve: see `RevenueCurve.best` for rows that are equally good."""
        return self.curve().best

    def curve(self) -> RevenueCurve:
        return RevenueCurve(sale_rate=self.accept, price=self.price, revenue=self.revenue)

    def highest_bid(self) -> EmpiricalLaw:
        """The law of the highest bid.

        It is not the law of one bidder: a price posted to the highest bid earns accept * price alone, without
        what second bids above the price add, and its best price is a higher and worse reserve.
        """
        return EmpiricalLaw.of_quantiles(self.accept, self.price)
