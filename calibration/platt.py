"""Platt's calibrator: a line on log-odds."""

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

ONE_CLASS_PRECISION = 1.0
"""Prior precision of the intercept where all labels are equal: a shift of about one unit of log-odds is
what a first positive (or negative) would have been worth."""


class PlattCalibrator(Calibrator):
    """log-odds' = slope * log-odds + intercept (Platt 1999, on log-odds as the input).

    `ridge` is the precision of the prior slope ~ N(1, 1 / ridge), worth about one positive label: it
    decides only where data do not, as on separable labels. The intercept is free, so that the mean
    prediction equals the mean label (exposure 1). Where all labels are equal the intercept is shrunk to 0
    (N(0, 1)): the scores keep their spread and move by what the sample can say.

    Learned: `slope_` in [0.01, 20], `intercept_`.
    """

    kind: ClassVar[str] = "platt"
    slope_: float
    intercept_: float

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge

    def _check(self) -> None:
        require(is_number(self.ridge) and 0.0 < self.ridge < 1e9, "ridge", self.ridge, "a number > 0")

    def _fit(self, sample: Sample) -> None:
        # Centred, the two coefficients are nearly uncorrelated and Newton's steps are well scaled.
        mass = sample.weight * sample.exposure
        centre = float(mass @ sample.scores / mass.sum())
        design = np.column_stack((sample.scores - centre, np.ones_like(sample.scores)))
        intercept_ridge = ONE_CLASS_PRECISION if sample.one_class else 0.0
        bounds = Bounds(
            start=np.array([1.0, centre]),
            ridge=np.array([self.ridge, intercept_ridge]),
            low=np.array([MIN_SLOPE, -60.0]),
            high=np.array([MAX_SLOPE, 60.0]),
        )
        slope, level = fit_linear(design, sample, bounds)
        self.slope_ = float(slope)
        self.intercept_ = float(level - slope * centre)

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        return self.slope_ * z + self.intercept_

    def _state(self) -> JsonDict:
        return {"slope": self.slope_, "intercept": self.intercept_}

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        made = cls(params.number("ridge"))
        made.slope_ = state.number("slope", MIN_SLOPE, MAX_SLOPE)
        made.intercept_ = state.number("intercept", -1e4, 1e4)
        return made
