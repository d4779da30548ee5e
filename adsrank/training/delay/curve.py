"""How soon conversions come: the product-limit estimate of their delays."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from adsrank.training.delay.feedback import Feedback

Float64 = npt.NDArray[np.float64]

LEAST_AT_RISK = 5
"""Conversions behind a factor of the product."""


@dataclass(frozen=True, slots=True, eq=False)
class DelayCurve:
    """F(t) = P(delay <= t | a conversion within the window): steps at the delays that were seen.

    Delays are seen only where they are shorter than the time elapsed: right truncation, not censoring, as
    nobody knows of a conversion that is still to come. Read backwards in time it is left truncation, whose
    product-limit estimate is (Lynden-Bell 1971; Lagakos, Barraj and De Gruttola 1988)

        F(t) = product over delays d > t of 1 - N(d) / R(d),
        N(d) = conversions of delay d,  R(d) = conversions of delay <= d whose elapsed time is >= d.

    Where fewer than `LEAST_AT_RISK` conversions tell, the factor is left out (as in Lai and Ying 1991): the
    one oldest click that converted last would else claim that nobody buys sooner.

    It is right if delay and time of click are independent among those who convert. How often clicks
    convert may change from hour to hour: only conversions are counted.
    """

    delay_s: Float64
    """[k], ascending: where F steps up."""
    complete_s: Float64
    """[k]: F at each of them; the last is 1."""
    window_s: float
    reach_s: float
    """The longest time elapsed of a click that converted, at most the window. Of longer delays these
    clicks can say nothing, and F is relative to P(delay <= reach)."""

    @classmethod
    def fit(cls, feedback: Feedback) -> Self:
        """From clicks of any age. Without a conversion F is 0 until the window is over."""
        known = feedback.conversion > 0
        delay = feedback.delay_s[known]
        limit = np.sort(np.minimum(feedback.elapsed_s[known], feedback.window_s))
        steps, count = np.unique(delay, return_counts=True)
        if not len(steps):
            end = np.array([feedback.window_s])
            return cls(end, np.ones(1), feedback.window_s, 0.0)
        # Elapsed at least the delay for all of them, so those whose elapsed is below d have a delay below d.
        risk = np.cumsum(count) - np.searchsorted(limit, steps, side="left")
        stay = np.where(risk >= LEAST_AT_RISK, 1.0 - count / risk, 1.0)
        complete = np.concatenate([np.cumprod(stay[:0:-1])[::-1], [1.0]])
        return cls(steps, complete, feedback.window_s, float(limit[-1]))

    def complete(self, elapsed_s: Float64) -> Float64:
        """F [n] at each time elapsed: the share of conversions that is known by then; 1 past the window."""
        place = np.searchsorted(self.delay_s, elapsed_s, side="right")
        share = np.concatenate([[0.0], self.complete_s])[place]
        found: Float64 = np.where(elapsed_s >= self.window_s, 1.0, share)
        return found
