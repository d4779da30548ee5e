"""The calibrator of two events in a row: a click, and then a conversion."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.base import FORMAT_VERSION, MAX_SLOPE, MIN_SLOPE
from calibration.document import Fields, JsonDict, parse
from calibration.errors import CalibrationError, NotFittedError, require
from calibration.likelihood import Bounds, fit_linear, level_shift
from calibration.logit import SCORE_HIGH, SCORE_LOW, FloatArray, bounded, log_odds, probability
from calibration.number import is_number
from calibration.parameters import Parameters
from calibration.platt import ONE_CLASS_PRECISION
from calibration.sample import Sample, read_sample, read_scores

MIN_TILT, MAX_TILT = -0.9, 20.0
"""At a tilt of -1 a likelier click could leave the joint where it was."""
_LEAST_CHANCE = 1e-12


class JointCalibrator(Parameters):
    """p_click_conversion = p_click * sigmoid(slope * v + tilt * log p_click + intercept)

    with v the log-odds of p_conversion_given_click. The product of two calibrated probabilities is not
    calibrated: the second was learned on the rows that were clicked, and these are the likely clickers.
    Here the second factor is fitted over all rows, clicked or not (the entire space: Ma et al. 2018), by
    the likelihood of Bernoulli(x * p_click * sigmoid(...)): p_click is to the conversion what the
    examination x is to the click. One last shift makes the sum of predictions equal the sum of labels.

    For every pair of scores: 0 < p_click_conversion < p_click, and it is strictly increasing in each of
    the two (its elasticity in p_click is 1 + tilt * (1 - sigmoid(...)), above 0 as tilt > -1).

    `ridge` is the precision of the priors slope ~ N(1, 1 / ridge) and tilt ~ N(0, 1 / ridge), worth about
    a conversion: without data it is the product. Where no row, or every row, converts, the intercept is
    drawn to 0 as well.

    Learned: `slope_` in [0.01, 20], `tilt_` in [-0.9, 20], `intercept_`.

    >>> joint = JointCalibrator().fit([0.2] * 1000, [0.5] * 1000, [1] * 50 + [0] * 950)
    >>> joint.transform([0.2], [0.5]).round(4)  # 50 in 1000, not .2 * .5
    array([0.05])
    """

    kind: ClassVar[str] = "joint"
    slope_: float
    tilt_: float
    intercept_: float

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge

    def fit(
        self,
        p_click: ArrayLike,
        p_conversion_given_click: ArrayLike,
        labels: ArrayLike,
        weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> Self:
        """Learn from shown rows, clicked or not.

        p_click, p_conversion_given_click: [n] in [0, 1], the first calibrated; labels: [n], 1 where the
        row was clicked and converted, 0 elsewhere; weight: [n] >= 0; exposure: [n] in (0, 1], the chance
        that the row was examined, which p_click does not hold. Raises `CalibrationError`.
        """
        self._check()
        click = read_scores(p_click, "p_click")
        given = read_scores(p_conversion_given_click, "p_conversion_given_click", len(click))
        sample = read_sample(click, labels, weight, exposure)
        sample, given = _in_order(sample.with_scores(_held(sample.scores)), given)
        log_click, v = np.log(sample.scores), log_odds(given)
        chance = np.maximum(sample.exposure * sample.scores, _LEAST_CHANCE)
        mass = sample.weight * chance
        # Centred, the coefficients are nearly uncorrelated and Newton's steps are well scaled.
        mean_v, mean_click = float(mass @ v / mass.sum()), float(mass @ log_click / mass.sum())
        design = np.column_stack((v - mean_v, log_click - mean_click, np.ones_like(v)))
        bounds = Bounds(
            start=np.array([1.0, 0.0, mean_v]),
            ridge=np.array([self.ridge, self.ridge, ONE_CLASS_PRECISION if sample.one_class else 0.0]),
            low=np.array([MIN_SLOPE, MIN_TILT, -60.0]),
            high=np.array([MAX_SLOPE, MAX_TILT, 60.0]),
        )
        seen = Sample(v, sample.labels, sample.weight, chance, {})
        slope, tilt, level = fit_linear(design, seen, bounds)
        if not sample.one_class:
            level += level_shift(
                design @ np.array([slope, tilt, level]), mass, float(sample.weight @ sample.labels)
            )
        self.slope_, self.tilt_ = float(slope), float(tilt)
        self.intercept_ = float(level - slope * mean_v - tilt * mean_click)
        return self

    def transform(self, p_click: ArrayLike, p_conversion_given_click: ArrayLike) -> FloatArray:
        """p_click_conversion [n] in (0, p_click), float64; each row's depends on that row alone."""
        if not hasattr(self, "slope_"):
            raise NotFittedError(self.kind)
        click = _held(read_scores(p_click, "p_click"))
        given = read_scores(p_conversion_given_click, "p_conversion_given_click", len(click))
        z = self.slope_ * log_odds(given) + self.tilt_ * np.log(click) + self.intercept_
        return click * probability(bounded(z))

    def to_json(self) -> JsonDict:
        """A document that `from_json` turns back into the same map, bit for bit."""
        if not hasattr(self, "slope_"):
            raise NotFittedError(self.kind)
        return {
            "kind": self.kind,
            "version": FORMAT_VERSION,
            "params": self.plain_params(),
            "state": {"slope": self.slope_, "tilt": self.tilt_, "intercept": self.intercept_},
        }

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any], file: str | None = None) -> Self:
        """The calibrator that `to_json` wrote; a hostile document raises `CalibrationError`."""
        document = parse(source, file)
        kind, version = document.text("kind", 32), document.integer("version", 1, 2**31)
        if kind != cls.kind:
            raise document.refuse("kind", kind, f"{cls.kind!r}")
        if version != FORMAT_VERSION:
            raise document.refuse("version", version, f"{FORMAT_VERSION}: this release reads no other")
        params, state = document.child("params"), document.child("state")
        made = cls._restore(params, state)
        for part in (params, state, document):
            part.end()
        try:
            made._check()
        except CalibrationError as error:
            raise params.refuse(error.field, error.value, error.fix) from error
        return made

    @classmethod
    def _restore(cls, params: Fields, state: Fields) -> Self:
        made = cls(params.number("ridge"))
        made.slope_ = state.number("slope", MIN_SLOPE, MAX_SLOPE)
        made.tilt_ = state.number("tilt", MIN_TILT, MAX_TILT)
        made.intercept_ = state.number("intercept", -1e4, 1e4)
        return made

    def _check(self) -> None:
        require(is_number(self.ridge) and 0.0 < self.ridge < 1e9, "ridge", self.ridge, "a number > 0")


def _held(click: FloatArray) -> FloatArray:
    """Probabilities in the range that every calibrator reads."""
    held: FloatArray = np.clip(click, SCORE_LOW, SCORE_HIGH)
    return held


def _in_order(sample: Sample, given: FloatArray) -> tuple[Sample, FloatArray]:
    """The rows of positive weight, in an order that does not depend on the order they came in."""
    order: NDArray[np.intp] = np.lexsort(
        (sample.exposure, sample.weight, sample.labels, given, sample.scores)
    )
    order = order[sample.weight[order] > 0.0]
    return sample.take(order), given[order]
