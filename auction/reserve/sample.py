"""The two highest values of many auctions: all that a reserve's revenue depends on."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from auction.errors import InputError
from auction.reserve.curve import RevenueCurve
from auction.reserve.values import as_values
from auction.slate import Float64, Int64


@dataclass(frozen=True, slots=True)
class AuctionSample:
    """n auctions of one item, and what each reserve earns in them.

    A reserve r sells to the highest bidder if first >= r, at max(second, r): it matters only between the
    two. Without a `second` this is a posted price against each value, whose best is the monopoly price of
    their law. With r rising from one `first` to the next the same auctions sell and none earns less, so the
    best reserve is one of the `first`, and no other needs to be tried.
    """

    first: Float64
    """[n], the highest value of each auction."""
    second: Float64
    """[n], the second highest, at most `first`; 0 where there was none."""
    candidate: Float64
    """[k], reserves to try, rising."""
    _first_cell: Int64 = field(repr=False)
    """[n], how many candidates are at most `first`."""
    _second_cell: Int64 = field(repr=False)

    @classmethod
    def of(
        cls, first: npt.ArrayLike, second: npt.ArrayLike | None = None, *, most_candidates: int | None = None
    ) -> "AuctionSample":
        """The sample, with a candidate reserve at every different `first`.

        Args:
            first: one per auction, not negative.
            second: likewise, none above its `first`; null: one bidder each.
            most_candidates: keep about so many of them, equally frequent; null: all, which is exact.

        Raises:
            InputError: no auction, columns of different length, a value that is refused, second above first.
        """
        top = as_values("first", first)
        next_ = np.zeros(len(top)) if second is None else as_values("second", second)
        if len(next_) != len(top):
            raise InputError("second", f"{len(next_)} values", f"give one per auction: {len(top)}")
        above = np.flatnonzero(next_ > top)
        if len(above):
            at = int(above[0])
            raise InputError(f"second[{at}]", float(next_[at]), f"at most first[{at}]: {float(top[at])}")
        candidate = np.unique(top)
        if most_candidates is not None and len(candidate) > most_candidates:
            ranks = np.linspace(0, len(top) - 1, most_candidates).round().astype(np.int64)
            candidate = np.unique(np.sort(top)[ranks])
        return cls(
            first=top,
            second=next_,
            candidate=candidate,
            _first_cell=np.searchsorted(candidate, top, side="right"),
            _second_cell=np.searchsorted(candidate, next_, side="right"),
        )

    def __len__(self) -> int:
        return len(self.first)

    def revenue(self, weight: Float64 | None = None) -> Float64:
        """Revenue per auction of every candidate, [k].

        r * (auctions with first >= r > second) + the sum of second where second >= r, over the weights.
        """
        weights = np.ones(len(self)) if weight is None else weight
        sells = self._from(self._first_cell, weights)
        if not self.second.any():
            alone: Float64 = self.candidate * sells / weights.sum()
            return alone
        rival = self._from(self._second_cell, weights)
        paid = self._from(self._second_cell, weights * self.second)
        earned: Float64 = (self.candidate * (sells - rival) + paid) / weights.sum()
        return earned

    def sale_rate(self) -> Float64:
        """Share of auctions that each candidate sells in, [k]."""
        rate: Float64 = self._from(self._first_cell, np.ones(len(self))) / len(self)
        return rate

    def curve(self) -> RevenueCurve:
        """Revenue by sale rate, at every candidate."""
        return RevenueCurve(
            sale_rate=self.sale_rate()[::-1], price=self.candidate[::-1], revenue=self.revenue()[::-1]
        )

    def _from(self, cell: Int64, weight: Float64) -> Float64:
        """The sum of the weights of the auctions whose value meets each candidate."""
        binned = np.bincount(cell, weight, len(self.candidate) + 1)
        # Cell 0 lies below every candidate.
        return np.cumsum(binned[:0:-1], dtype=np.float64)[::-1]
