"""A law of the delay from click to conversion, of two numbers."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit

from adsrank.training.delay.feedback import Feedback

Float64 = npt.NDArray[np.float64]

LEAST_S = 1.0
"""Delays count as at least this: logs are to the second, and a density without bound at 0 would
reward a single conversion in no time without limit."""
_SHAPE_SD, _RATE_SD = 0.5, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class WeibullDelay:
    """Delays of conversions within the window: a Weibull law cut at it.

    With L(t) = (rate t)^shape:

        F(t) = (1 - exp(-L(t))) / (1 - exp(-L(window))),
        f(t) = shape rate (rate t)^(shape - 1) exp(-L(t)) / (1 - exp(-L(window))).

    Shape 1 is the exponential law of Chapelle (KDD 2014, section 4); below 1, most come soon and a few
    very late. The cut is what makes a click whose window is over a plain negative.
    """

    log_rate: float | Float64
    """Of one law, or [n], one a click."""
    log_shape: float
    window_s: float

    def complete(self, elapsed_s: Float64) -> Float64:
        """F [n] at each time elapsed, 1 past the window."""
        elapsed = np.minimum(elapsed_s, self.window_s)
        found: Float64 = np.expm1(-self._hazard(elapsed)) / np.expm1(-self._hazard(self.window_s))
        return found

    def log_density(self, delay_s: Float64) -> Float64:
        """log f [n], per second, at delays within the window; shorter ones count as `LEAST_S`."""
        hazard = self._log_hazard(delay_s)
        found: Float64 = (
            self.log_shape
            + hazard
            - np.log(np.maximum(delay_s, LEAST_S))
            - np.exp(hazard)
            - np.log(-np.expm1(-self._hazard(self.window_s)))
        )
        return found

    def _log_hazard(self, seconds: Float64 | float) -> Float64:
        """log L at each time; L is the cumulative hazard."""
        found: Float64 = math.exp(self.log_shape) * (self.log_rate + np.log(np.maximum(seconds, LEAST_S)))
        return found

    def _hazard(self, seconds: Float64 | float) -> Float64:
        found: Float64 = np.exp(self._log_hazard(seconds))
        return found

    @classmethod
    def fit(cls, feedback: Feedback, p: Float64 | float | None = None, *, shape: float | None = None) -> Self:
        """The law that explains best which conversions are known, when they came, and which are not.

        Maximizes sum y log f(delay) + (1 - y) log(1 - p F(elapsed)), the part of Chapelle's joint
        likelihood that speaks of the delay, under a weak prior (log shape 0 +- 0.5, rate 3 a window up to
        e^+-2), which is also the answer where there is no conversion.

        Parameters:
            p: P(conversion within the window | click), [n] or one number; default: one number, fitted too.
            shape: hold the shape, 1 for the exponential law.
        """
        known = feedback.conversion > 0
        delay, waiting = feedback.delay_s[known], feedback.elapsed_s[~known]
        centre = math.log(3.0 / feedback.window_s)
        chance = None if p is None else np.broadcast_to(np.asarray(p, np.float64), (len(feedback),))[~known]

        def objective(theta: Float64) -> float:
            rate, bend = theta[0], 0.0 if shape is not None else theta[1]
            law = cls(rate, math.log(shape) if shape is not None else bend, feedback.window_s)
            missed = expit(theta[2]) if chance is None else chance
            likelihood = law.log_density(delay).sum()
            likelihood += np.log1p(-np.minimum(missed * law.complete(waiting), 1 - 1e-12)).sum()
            if chance is None:
                likelihood += len(delay) * np.log(expit(theta[2]))
            return float(0.5 * ((rate - centre) / _RATE_SD) ** 2 + 0.5 * (bend / _SHAPE_SD) ** 2 - likelihood)

        share = (len(delay) + 0.5) / (len(feedback) + 1.0)
        start = np.array([centre, 0.0, logit(min(share, 0.9))])
        bounds = [(centre - 8, centre + 8), (-1.5, 1.5), (-20.0, 20.0)]
        if chance is not None:
            start, bounds = start[:2], bounds[:2]
        found = minimize(objective, start, method="L-BFGS-B", bounds=bounds).x
        return cls(
            float(found[0]), math.log(shape) if shape is not None else float(found[1]), feedback.window_s
        )
