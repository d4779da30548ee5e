"""The log-normal law: bids are near it more often than not, and three numbers fit it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import log_ndtr

from auction.errors import InputError
from auction.reserve.values import as_values
from auction.slate import Float64

_HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
MOST_SIGMA = 8.0
"""Quartiles a factor of 48,000 apart: beyond it a fit has run away from the data."""


@dataclass(frozen=True, slots=True)
class LogNormalLaw:
    """log V is normal with mean `mu` and deviation `sigma` > 0; a `ValueLaw`.

    With z = (log p - mu) / sigma and the Mills ratio m(z) = P(Z > z) / density(z), the virtual value is
    p * (1 - sigma * m(z)). It crosses zero once, where m(z) = 1 / sigma, because m falls: so the law has one
    monopoly price although for a large sigma it is not regular.
    """

    mu: float
    sigma: float
    covariance: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Of (mu, sigma), from the observed information; null for a law that was not fitted."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.mu):
            raise InputError("mu", self.mu, "give a finite number")
        if not 0 < self.sigma <= MOST_SIGMA:
            raise InputError("sigma", self.sigma, f"give a number above 0, at most {MOST_SIGMA}")

    @classmethod
    def fit(cls, values: npt.ArrayLike, *, floor: float = 0.0, unseen: int | None = None) -> Self:
        """The likeliest law of values that were seen only from `floor` up.

        Args:
            values: positive, all at least `floor`.
            floor: the reserve under which the bids were collected: those below it were not seen. 0: all were.
            unseen: how many bidders there were below the floor, if that is known (a *censored* sample: the
                auction was held and this bidder did not bid enough). Null: not known (a *truncated* one),
                which takes the shape above the floor for the law's and needs a far larger sample.

        Raises:
            InputError: fewer than two different values, one at 0 or below the floor, or a truncated sample
                whose tail no log-normal law fits.
        """
        column = as_values("values", values, least=2)
        if not math.isfinite(floor) or floor < 0:
            raise InputError("floor", floor, "give a finite amount, not negative")
        low = np.flatnonzero((column <= 0) | (column < floor))
        if len(low):
            fix = (
                "a log-normal value is positive and was seen at the floor or above; or take the empirical law"
            )
            raise InputError(f"values[{int(low[0])}]", float(column[low[0]]), fix)
        if unseen is not None and (unseen < 0 or (unseen and floor == 0)):
            raise InputError("unseen", unseen, "give a count, and the floor that hid them")
        log = np.log(column)
        count, mean, spread = len(log), float(log.mean()), float(log.std())
        if spread == 0 or column.min() == column.max():
            raise InputError("values", column[0].item(), "give at least two different values")
        if floor == 0:
            own = spread**2 / count
            return cls(mean, spread, ((own, 0.0), (0.0, own / 2)))
        return cls._below_floor(count, mean, spread, math.log(floor), unseen)

    @classmethod
    def _below_floor(cls, count: int, mean: float, spread: float, cut: float, unseen: int | None) -> Self:
        def loss(point: Float64) -> float:
            """Mean negative log-likelihood at (mu, log sigma)."""
            mu, sigma = float(point[0]), math.exp(float(np.clip(point[1], -20, 20)))
            seen = math.log(sigma) + (spread**2 + (mean - mu) ** 2) / (2 * sigma**2)
            hidden = float(log_ndtr((cut - mu) / sigma if unseen is not None else (mu - cut) / sigma))
            return seen - unseen / count * hidden if unseen is not None else seen + hidden

        found = minimize(loss, np.array([mean, math.log(spread)]), method="Nelder-Mead", options=_SEARCH)
        mu, sigma = float(found.x[0]), math.exp(float(np.clip(found.x[1], -20, 20)))
        if not found.success or sigma > MOST_SIGMA or abs(mu - cut) > 10 * MOST_SIGMA:
            raise InputError(
                "values", "a tail that fits no log-normal law", "give `unseen`, or take the empirical law"
            )
        try:
            inverse = np.linalg.inv(_curvature(loss, np.array([mu, math.log(sigma)])) * count)
        except np.linalg.LinAlgError:
            return cls(mu, sigma)
        if (np.diag(inverse) <= 0).any():
            return cls(mu, sigma)
        # From log sigma to sigma.
        cross, own = float(inverse[0, 1]) * sigma, float(inverse[1, 1]) * sigma**2
        return cls(mu, sigma, ((float(inverse[0, 0]), cross), (cross, own)))

    def survival(self, price: Float64) -> Float64:
        found: Float64 = np.exp(log_ndtr(-self._z(price)))
        return found

    def virtual_value(self, value: Float64) -> Float64:
        """Not ironed: beside a reserve it is needed where it crosses zero only. Of 0 it is minus infinity."""
        with np.errstate(over="ignore", invalid="ignore"):
            found: Float64 = value * (1 - self.sigma * np.exp(_log_mills(self._z(value))))
        return np.where(np.asarray(value) > 0, found, -np.inf)

    def monopoly_price(self) -> float:
        return math.exp(self.mu + self.sigma * self._best_z())

    def price_interval(self, deviations: float) -> tuple[float, float] | None:
        """The monopoly price, `deviations` standard errors of its logarithm down and up (delta method).

        log p = mu + sigma * z(sigma), and from m(z) = 1 / sigma: dz / dsigma = 1 / (sigma * (sigma - z)).
        Null for a law that was not fitted.
        """
        if self.covariance is None:
            return None
        z = self._best_z()
        slope = z + 1 / (self.sigma - z)
        (own_mu, cross), (_, own_sigma) = self.covariance
        error = math.sqrt(max(own_mu + 2 * slope * cross + slope**2 * own_sigma, 0.0))
        log_price = self.mu + self.sigma * z
        return math.exp(log_price - deviations * error), math.exp(log_price + deviations * error)

    def _z(self, price: Float64) -> Float64:
        with np.errstate(divide="ignore"):
            z: Float64 = (np.log(price) - self.mu) / self.sigma
        return z

    def _best_z(self) -> float:
        # m(z) lies between z / (z * z + 1) and 1 / z for z > 0, so the root is below sigma.
        root: float = brentq(lambda z: _log_mills(np.float64(z)) + math.log(self.sigma), -40.0, self.sigma)
        return root


_SEARCH = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4_000, "maxfev": 4_000}


def _log_mills(z: Float64 | np.float64) -> Float64:
    ratio: Float64 = log_ndtr(-z) + z**2 / 2 + _HALF_LOG_TAU
    return ratio


def _curvature(loss: Callable[[Float64], float], point: Float64) -> Float64:
    """Second derivatives of `loss` at a minimum, [2, 2], by central differences."""
    step = np.full(2, 1e-4)
    result = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            di, dj = np.eye(2)[i] * step, np.eye(2)[j] * step
            corners = (
                loss(point + di + dj) - loss(point + di - dj),
                loss(point - di + dj) - loss(point - di - dj),
            )
            result[i, j] = (corners[0] - corners[1]) / (4 * step[i] * step[j])
    return result
