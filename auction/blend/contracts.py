"""Guaranteed contracts that compete with the exchange for the same impressions."""

from dataclasses import dataclass

import numpy as np

from auction.blend.exchange import ExchangeCurve
from auction.errors import InputError
from auction.slate import Float64


@dataclass(frozen=True, slots=True)
class Contracts:
    """What is promised, and what it is worth to keep the promise.

    The problem over a sample of impressions n (Balseiro, Feldman, Mirrokni and Muthukrishnan 2014,
    "Yield optimization of display advertising with ad exchange"), per impression of the sample:

        greatest   mean over n of revenue(s_n) + weight * sum of q_na x_na   - shortfall_cost * sum of y_a
        subject to sum over a of x_na <= 1 - s_n,    x_na = 0 where contract a does not want n,
                   mean over n of x_na + y_a = share_a,   y_a >= 0

    s_n is the probability that the exchange takes impression n, x_na that contract a gets it, y_a what
    the contract is left short of. A high `shortfall_cost` delivers every contract in full where its
    impressions suffice; 0 reads a share as a capacity that may be left unused.
    """

    share: Float64
    """[contracts], impressions promised over all impressions (rho)."""
    weight: float = 1.0
    """Money that a unit of contract quality is worth (gamma)."""
    shortfall_cost: float = 0.0
    """Money that an impression of a contract left undelivered costs."""

    def __post_init__(self) -> None:
        if self.share.ndim != 1 or not np.isfinite(self.share).all() or (self.share < 0).any():
            raise InputError("share", self.share.tolist(), "give a finite share of impressions per contract")
        for name in ("weight", "shortfall_cost"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(name, getattr(self, name), "give a finite number, not negative")

    @classmethod
    def in_full(cls, share: Float64, curve: ExchangeCurve, weight: float = 1.0) -> "Contracts":
        """Promises that come before any sale: a shortfall costs what the dearest sale brings."""
        return cls(share, weight, float(curve.slope[0]))

    def worth(self, quality: Float64) -> Float64:
        """Money each impression is worth to each contract; minus infinity where it does not want it.

        Args:
            quality: [impressions, contracts], 0 where not eligible.
        """
        if quality.ndim != 2 or quality.shape[1] != len(self.share):
            raise InputError("quality", quality.shape, f"give [impressions, {len(self.share)}]")
        return np.where(quality > 0, self.weight * quality, -np.inf)
