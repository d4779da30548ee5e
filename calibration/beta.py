"""The beta calibrator: two slopes, one for each end of the scale."""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from scipy.special import log_expit

from calibration.base import MAX_SLOPE, MIN_SLOPE, Calibrator
from calibration.document import Fields, JsonDict
from calibration.errors import require
from calibration.likelihood import Bounds, fit_linear
from calibration.logit import FloatArray
from calibration.number import is_number
from calibration.platt import ONE_CLASS_PRECISION
from calibration.sample import IdArray, Sample


class BetaCalibrator(Calibrator):
    """log-odds' = a log p - b log(1 - p) + c (Kull, Silva Filho and Flach 2017).

    a is the slope on log-odds near 0, b near 1; a = b is Platt's line. `ridge` is the precision of the
    priors a, b ~ N(1, 1 / ridge): where all scores are small nothing is known of b, and it stays 1.
    One class of labels: as in `PlattCalibrator`.

    Learned: `a_`, `b_` in [0.01, 20], `c_`.
    """

    kind: ClassVar[str] = "beta"
    a_: float
    b_: float
    c_: float

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge

    def _check(self) -> None:
        require(is_number(self.ridge) and 0.0 < self.ridge < 1e9, "ridge", self.ridge, "a number > 0")

    def _fit(self, sample: Sample) -> None:
        # log p shifted by its mean: c is then the level in the middle of the data, not at p = 1.
        mass = sample.weight * sample.exposure
        log_p, log_rest = log_expit(sample.scores), log_expit(-sample.scores)
        low, high = float(mass @ log_p / mass.sum()), float(mass @ log_rest / mass.sum())
        design = np.column_stack((log_p - low, high - log_rest, np.ones_like(log_p)))
        level_ridge = ONE_CLASS_PRECISION if sample.one_class else 0.0
        bounds = Bounds(
            start=np.array([1.0, 1.0, low - high]),
            ridge=np.array([self.ridge, self.ridge, level_ridge]),
            low=np.array([MIN_SLOPE, MIN_SLOPE, -60.0]),
            high=np.array([MAX_SLOPE, MAX_SLOPE, 60.0]),
        )
        a, b, level = fit_linear(design, sample, bounds)
        self.a_, self.b_ = float(a), float(b)
        self.c_ = float(level - a * low + b * high)

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        mapped: FloatArray = self.a_ * log_expit(z) - self.b_ * log_expit(-z) + self.c_
        return mapped

    def _state(self) -> JsonDict:
        return {"a": self.a_, "b": self.b_, "c": self.c_}

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        made = cls(params.number("ridge"))
        made.a_ = state.number("a", MIN_SLOPE, MAX_SLOPE)
        made.b_ = state.number("b", MIN_SLOPE, MAX_SLOPE)
        made.c_ = state.number("c", -1e4, 1e4)
        return made
