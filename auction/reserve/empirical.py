"""The law of a sample, or of a table of quantiles."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from auction.errors import InputError
from auction.reserve.curve import RevenueCurve
from auction.reserve.values import as_values
from auction.slate import Float64


@dataclass(frozen=True, slots=True)
class EmpiricalLaw:
    """A law with atoms at `value`; the `ValueLaw` that assumes nothing about its shape."""

    value: Float64
    """[k], rising."""
    at_least: Float64
    """[k], weight of the values from `value` up, falling, above 0."""
    total: float
    """Weight of all. Kept apart so that revenues are compared before they are divided: ties stay ties."""

    @classmethod
    def of(cls, values: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Self:
        """The law of observed values.

        Args:
            values: one per bid, not negative; the law is in their unit.
            weights: how often each was seen; once by default.

        Raises:
            InputError: no value, one that is negative or not finite, or weights without a positive one.
        """
        column = as_values("values", values)
        weight = np.ones(len(column)) if weights is None else as_values("weights", weights)
        if len(weight) != len(column):
            raise InputError("weights", f"{len(weight)} weights", f"give one per value: {len(column)}")
        if weight.sum() <= 0:
            raise InputError("weights", 0.0, "give at least one positive weight")
        atom, entry = np.unique(column[weight > 0], return_inverse=True)
        at_least = np.cumsum(np.bincount(entry, weight[weight > 0], len(atom))[::-1])[::-1]
        return cls(value=atom, at_least=at_least.astype(np.float64), total=float(at_least[0]))

    @classmethod
    def of_quantiles(cls, sale_rate: npt.ArrayLike, price: npt.ArrayLike) -> Self:
        """The law of a table such as an exchange publishes: at `price`, a share `sale_rate` buys.

        Between two rows the law is taken to have no value: it sits at the rows' prices, so what it earns is
        earned in fact. Of several rows with one price the greatest rate counts: that share would buy.

        Raises:
            InputError: rates that do not rise within [0, 1], prices that do not fall.
        """
        rate, prices = as_values("sale_rate", sale_rate), as_values("price", price)
        if len(rate) != len(prices):
            raise InputError("price", f"{len(prices)} prices", f"give one per sale rate: {len(rate)}")
        if rate[-1] > 1 or (np.diff(rate) <= 0).any():
            raise InputError("sale_rate", "rows out of order", "give rates that rise, none above 1")
        if (np.diff(prices) > 0).any():
            raise InputError("price", "rows out of order", "give prices that do not rise with the sale rate")
        last = np.append(np.diff(prices) != 0, True) & (rate > 0)
        if not last.any():
            raise InputError("sale_rate", rate[-1].item(), "give a rate above 0")
        return cls(value=prices[last][::-1].copy(), at_least=rate[last][::-1].copy(), total=1.0)

    def survival(self, price: Float64) -> Float64:
        after = np.append(self.at_least, 0.0) / self.total
        found: Float64 = after[np.searchsorted(self.value, price, side="left")]
        return found

    def virtual_value(self, value: Float64) -> Float64:
        """Ironed; of a value between two atoms, that of the lower one; below all of them, of the lowest."""
        own = self.curve().virtual_value()[::-1]
        found: Float64 = own[np.maximum(np.searchsorted(self.value, value, side="right") - 1, 0)]
        return found

    def monopoly_price(self) -> float:
        curve = self.curve()
        return float(curve.price[curve.best])

    def curve(self) -> RevenueCurve:
        """Revenue of a price posted to one bidder, at every atom."""
        sold, price = self.at_least[::-1], self.value[::-1]
        return RevenueCurve(sale_rate=sold / self.total, price=price, revenue=sold * price / self.total)
