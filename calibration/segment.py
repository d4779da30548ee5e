"""A correction per segment, shrunk to the overall one."""

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from calibration.base import Calibrator
from calibration.document import Fields, JsonDict
from calibration.errors import CalibrationError, require
from calibration.likelihood import row_terms
from calibration.logit import FloatArray
from calibration.number import is_number
from calibration.platt import ONE_CLASS_PRECISION
from calibration.sample import MAX_ID_LENGTH, IdArray, Sample, sum_by

_MAX_SHIFT = 1e4


class SegmentCalibrator(Calibrator):
    """log-odds' = log-odds + overall + delta of the row's segment, delta ~ N(0, variance).

    The odds are multiplied by a factor per segment (surface, format, advertiser; `key` names the column of
    ids). The joint mode of overall and deltas is found by Newton's method, and the variance between
    segments, unless `variance` fixes it, by maximising the marginal likelihood in Laplace's approximation
    (empirical Bayes; Breslow and Clayton 1993). A segment of few labels is drawn to the overall shift, one
    never seen, or a `transform` without the column, gets the overall shift itself. With exposure 1 the
    sum of predictions equals the sum of labels on the fitting data.

    Scores keep their order within a segment; that orders of different segments change is the purpose.

    Learned: `shifts_` by id, `overall_`, `variance_`.
    """

    kind: ClassVar[str] = "segment"
    shifts_: dict[int | str, float]
    overall_: float
    variance_: float

    def __init__(self, key: str, variance: float | None = None) -> None:
        self.key = key
        self.variance = variance

    def segment_keys(self) -> tuple[str, ...]:
        return (self.key,)

    def _check(self) -> None:
        good_key = isinstance(self.key, str) and 0 < len(self.key) <= MAX_ID_LENGTH
        require(good_key, "key", self.key, "the name of a segment column")
        good = self.variance is None or (is_number(self.variance) and 1e-9 <= self.variance <= 1e3)
        require(good, "variance", self.variance, "None (estimated) or a number in [1e-9, 1000]")

    def _fit(self, sample: Sample) -> None:
        if self.key not in sample.segment:
            found = sorted(sample.segment)
            raise CalibrationError(f"segment.{self.key}", f"columns {found}", "the column of this name")
        ids, codes = np.unique(sample.segment[self.key], return_inverse=True)
        groups = _Groups(sample, codes, len(ids), ONE_CLASS_PRECISION if sample.one_class else 0.0)
        mode = _Mode(0.0, np.zeros(len(ids)), math.inf, np.zeros(len(ids)))
        if self.variance is None:
            self.variance_, mode = _likeliest_variance(groups, mode)
        else:
            self.variance_ = float(self.variance)
        mode = _joint_mode(groups, self.variance_, mode)
        self.overall_ = mode.overall
        self.shifts_ = dict(zip(ids.tolist(), (mode.overall + mode.delta).tolist(), strict=True))

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        if self.key not in segment:
            return z + self.overall_
        ids = segment[self.key].tolist()
        known = next(iter(self.shifts_), None)
        if ids and known is not None and type(ids[0]) is not type(known):
            raise CalibrationError(
                f"segment.{self.key}", ids[0], f"ids of type {type(known).__name__}, as fitted"
            )
        shift = np.fromiter((self.shifts_.get(i, self.overall_) for i in ids), np.float64, len(ids))
        return z + shift

    def _state(self) -> JsonDict:
        return {
            "ids": list(self.shifts_),
            "shifts": list(self.shifts_.values()),
            "overall": self.overall_,
            "variance": self.variance_,
        }

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        made = cls(params.text("key", MAX_ID_LENGTH), params.number_or_none("variance", 1e-9, 1e3))
        ids = state.ids("ids", MAX_ID_LENGTH)
        shifts = state.numbers("shifts", -_MAX_SHIFT, _MAX_SHIFT).tolist()
        if len(shifts) != len(ids):
            raise state.refuse("shifts", f"{len(shifts)} items", f"{len(ids)} items, one per id")
        made.shifts_ = dict(zip(ids, shifts, strict=True))
        made.overall_ = state.number("overall", -_MAX_SHIFT, _MAX_SHIFT)
        made.variance_ = state.number("variance", 0.0, 1e3)
        return made


class _Groups(NamedTuple):
    """The rows, the number of each row's segment, how many segments, the overall shift's prior precision."""

    sample: Sample
    codes: NDArray[np.intp]
    segments: int
    overall_ridge: float


class _Mode(NamedTuple):
    """overall, delta [segments], the penalised loss there, and each segment's information."""

    overall: float
    delta: FloatArray
    loss: float
    information: FloatArray


def _joint_mode(groups: _Groups, variance: float, start: _Mode) -> _Mode:
    """Newton on (overall, deltas): the curvature is an arrow, solved by its Schur complement."""
    sample, codes, count, ridge = groups
    precision = 1.0 / variance
    overall, delta = start.overall, start.delta

    def penalised(at: float, deltas: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        terms = row_terms(sample.scores + (at + deltas)[codes], sample.labels, sample.exposure)
        # Summed by segment first: rows of a segment come in canonical order, rows of all need not.
        loss = float(sum_by(codes, sample.weight * terms.loss, count).sum())
        loss += 0.5 * precision * float(deltas @ deltas) + 0.5 * ridge * at * at
        pull = sum_by(codes, sample.weight * terms.pull, count)
        return loss, pull, sum_by(codes, sample.weight * terms.information, count)

    loss, pull, information = penalised(overall, delta)
    scale = min(1.0, float(sample.weight.sum()))
    for _ in range(100):
        whole = information + precision
        gradient = pull - precision * delta
        overall_gradient = float(pull.sum()) - ridge * overall
        schur = float((information * precision / whole).sum()) + ridge
        least = 1e-12 * scale
        overall_step = (overall_gradient - float((information * gradient / whole).sum())) / max(schur, least)
        step = (gradient - information * overall_step) / whole
        gain = overall_gradient * overall_step + float(gradient @ step)
        if gain <= 1e-10 * (scale + abs(loss)):
            # Too near for the loss to tell better from worse; the step itself is still exact.
            overall, delta = overall + overall_step, delta + step
            break
        size = min(1.0, 5.0 / max(abs(overall_step), float(np.abs(step).max())))
        while size > 1e-10:
            tried = overall + size * overall_step, delta + size * step
            result = penalised(*tried)
            if result[0] < loss:
                break
            size *= 0.5
        else:
            break
        (overall, delta), (loss, pull, information) = tried, result
    return _Mode(overall, delta, loss, information)


def _likeliest_variance(groups: _Groups, start: _Mode) -> tuple[float, _Mode]:
    """The variance between segments of greatest marginal likelihood, and the mode found on the way.

    Laplace: -log L(v) = penalised loss at the mode + 1/2 sum log(1 + v * information of the segment).
    """
    mode = start

    def surprise(log_deviation: float) -> float:
        nonlocal mode
        variance = math.exp(2.0 * log_deviation)
        mode = _joint_mode(groups, variance, mode)
        return mode.loss + 0.5 * float(np.log1p(variance * mode.information).sum())

    low, high = math.log(1e-3), math.log(3.0)
    found = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 0.01})
    return math.exp(2.0 * float(found.x)), mode
