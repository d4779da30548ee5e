"""Temperature scaling: one slope on log-odds."""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from calibration.base import MAX_SLOPE, MIN_SLOPE, Calibrator
from calibration.document import Fields, JsonDict
from calibration.errors import require
from calibration.likelihood import Bounds, fit_linear
from calibration.logit import FloatArray
from calibration.number import is_number
from calibration.sample import IdArray, Sample


class TemperatureCalibrator(Calibrator):
    """log-odds' = log-odds / T (Guo, Pleiss, Sun and Weinberger 2017).

    It mends over- or under-confidence, not a wrong level: for rare labels use `PlattCalibrator`. `ridge`
    is the precision of the prior 1/T ~ N(1, 1 / ridge), which also decides where all labels are equal.

    Learned: `temperature_` in [1/20, 100].
    """

    kind: ClassVar[str] = "temperature"
    temperature_: float

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge

    def _check(self) -> None:
        require(is_number(self.ridge) and 0.0 < self.ridge < 1e9, "ridge", self.ridge, "a number > 0")

    def _fit(self, sample: Sample) -> None:
        bounds = Bounds(
            start=np.array([1.0]),
            ridge=np.array([self.ridge]),
            low=np.array([MIN_SLOPE]),
            high=np.array([MAX_SLOPE]),
        )
        (slope,) = fit_linear(sample.scores[:, None], sample, bounds)
        self.temperature_ = float(1.0 / slope)

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        return z / self.temperature_

    def _state(self) -> JsonDict:
        return {"temperature": self.temperature_}

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        made = cls(params.number("ridge"))
        made.temperature_ = state.number("temperature", 0.999 / MAX_SLOPE, 1.001 / MIN_SLOPE)
        return made
