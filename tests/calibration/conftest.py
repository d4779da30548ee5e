"""Worlds of known truth for the calibration tests."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Scores [n], what the probability truly is, and labels drawn from it."""

    scores: FloatArray
    truth: FloatArray
    labels: FloatArray
    exposure: FloatArray


@pytest.fixture
def world() -> Callable[..., World]:
    """world(n, seed, bend=..., exposed=...) with bend: log-odds of the score -> log-odds of the truth."""

    def make(
        n: int,
        seed: int,
        bend: Callable[[FloatArray], FloatArray] = lambda z: z,
        centre: float = -3.0,
        exposed: bool = False,
    ) -> World:
        rng = np.random.default_rng(seed)
        z = rng.normal(centre, 1.3, n)
        truth = expit(bend(z))
        exposure = rng.uniform(0.1, 1.0, n) if exposed else np.ones(n)
        labels = (rng.random(n) < exposure * truth).astype(np.float64)
        return World(expit(z), truth, labels, exposure)

    return make
