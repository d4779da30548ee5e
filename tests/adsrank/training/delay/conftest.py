"""Clicks of a known law: who converts, how late, and what is known at the end of the log."""

from dataclasses import dataclass

import numpy as np
import pytest

from adsrank.training.delay import Feedback

DAY = 86_400.0


@dataclass(frozen=True)
class Law:
    """Logistic conversions; Weibull delays cut at the window, their log rate linear in x too."""

    weight: tuple[float, ...] = (1.0, -0.5, 0.0)
    intercept: float = -1.5
    delay_weight: tuple[float, ...] = (0.0, 0.0, 0.0)
    log_rate: float = float(np.log(1 / DAY))
    shape: float = 0.7
    window_s: float = 7 * DAY

    def draw(self, n: int, seed: int, span_s: float = 10 * DAY):
        """x [n, 3], p [n], delays (NaN: never) and times elapsed of clicks spread over `span_s`."""
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 3))
        p = 1 / (1 + np.exp(-(x @ np.array(self.weight) + self.intercept)))
        rate = np.exp(self.log_rate + x @ np.array(self.delay_weight))
        cut = -np.expm1(-((rate * self.window_s) ** self.shape))
        delay = (-np.log1p(-rng.random(n) * cut)) ** (1 / self.shape) / rate
        delay = np.where(rng.random(n) < p, delay, np.nan)
        return x, p, delay, rng.random(n) * span_s

    def known(self, n: int, seed: int, span_s: float = 10 * DAY):
        """x, p, what is known at the end of the log, and what will be once all windows are over."""
        x, p, delay, elapsed = self.draw(n, seed, span_s)
        return (
            x,
            p,
            Feedback.observe(delay, elapsed, self.window_s),
            Feedback.observe(delay, np.full(n, self.window_s), self.window_s),
        )


@pytest.fixture(scope="session")
def law() -> Law:
    return Law()
