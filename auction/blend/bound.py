"""What a blend is asked to hold: organic value lost, or revenue; the other is then optimised."""

from dataclasses import dataclass

import numpy as np

from auction.errors import InputError


@dataclass(frozen=True, slots=True)
class Bound:
    """Exactly one of the two is given."""

    max_organic_loss: float | None = None
    """Greatest share of organic value that ads may displace: revenue is maximised."""
    min_revenue: float | None = None
    """Least revenue, as a multiple of the current policy's: organic value lost is minimised."""

    def __post_init__(self) -> None:
        if (self.max_organic_loss is None) == (self.min_revenue is None):
            raise InputError(
                "bound", None, "give the greatest organic loss or the least revenue, one of them"
            )
        loss, revenue = self.max_organic_loss, self.min_revenue
        if loss is not None and not 0 <= loss <= 1:
            raise InputError("max_organic_loss", loss, "give a share between 0 and 1")
        if revenue is not None and not 0 <= revenue < np.inf:
            raise InputError("min_revenue", revenue, "give a multiple of the current revenue, not negative")

    def met(self, loss: float, revenue: float) -> bool:
        """Whether a point is allowed; its revenue as a multiple of the current policy's."""
        if self.max_organic_loss is not None:
            return loss <= self.max_organic_loss
        assert self.min_revenue is not None
        return revenue >= self.min_revenue
