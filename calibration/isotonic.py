"""The isotonic calibrator, made strictly increasing."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from calibration.base import MAX_SLOPE, MIN_SLOPE, Calibrator
from calibration.document import Fields, JsonDict
from calibration.errors import require
from calibration.likelihood import level_shift
from calibration.logit import FloatArray
from calibration.number import is_number
from calibration.platt import PlattCalibrator
from calibration.sample import IdArray, Sample

_MIN_SPACING = 1e-6
_MAX_RATE = 1.0 - 1e-6


class IsotonicCalibrator(Calibrator):
    """Pool-adjacent-violators, then a broken line through the pools.

    Plain isotonic regression is a staircase: its flat steps tie ads that the model can tell apart, and
    its jumps move prices. Here

    1. pool-adjacent-violators (Ayer et al. 1955; Zadrozny and Elkan 2002) on label / exposure with weight
       weight * exposure finds the pools;
    2. neighbouring pools are merged until each holds `min_information` (sum of w x p (1 - p) under a Platt
       line fitted beside it: about the expected positives, where labels are rare);
    3. a pool's rate is shrunk to the line's by `prior_count` positives, pi (Y + k) / (P + k) with Y the
       positives seen and P those the line expects, so that a pool without positives is not given 0;
    4. the knots are the pools' centres, each where the line predicts the pool's mean (if the line is
       right, the knots lie on it); their order is restored with a slope of at least 0.01 on log-odds;
    5. between knots the map is linear on log-odds, beyond them it goes on with the line's slope (at most
       1), and one shift makes the sum of predictions equal the sum of labels.

    With too few labels for two pools, or one class only, it is the Platt line.

    Learned: `knots_`, `values_` [k], log-odds of scores and of probabilities; `slope_low_`, `slope_high_`
    beyond the ends.
    """

    kind: ClassVar[str] = "isotonic"
    knots_: FloatArray
    values_: FloatArray
    slope_low_: float
    slope_high_: float

    def __init__(self, min_information: float = 40.0, prior_count: float = 1.0) -> None:
        self.min_information = min_information
        self.prior_count = prior_count

    def _check(self) -> None:
        least, prior = self.min_information, self.prior_count
        require(is_number(least) and 0.0 < least < 1e12, "min_information", least, "a number > 0")
        require(is_number(prior) and 0.0 < prior < 1e9, "prior_count", prior, "a number > 0")

    def _fit(self, sample: Sample) -> None:
        line = PlattCalibrator()
        line._fit(sample)
        slope = float(np.clip(line.slope_, MIN_SLOPE, 1.0))
        if sample.one_class:
            centre = float(np.median(sample.scores))
            knots, values = np.array([centre]), np.array([line.slope_ * centre + line.intercept_])
            self._learn(knots, values, line.slope_, line.slope_)
            return
        pools = _pools(sample, line, self.min_information)
        if len(pools.mass) == 1:
            slope = line.slope_
        k = self.prior_count
        rate = pools.expected / pools.mass * (pools.positives + k) / (pools.expected + k)
        values = logit(np.minimum(rate, _MAX_RATE))
        tilted = values - MIN_SLOPE * pools.centre
        values = isotonic_regression(tilted, weights=pools.information).x + MIN_SLOPE * pools.centre
        self._learn(pools.centre, values, slope, slope)
        mass = sample.weight * sample.exposure
        shift = level_shift(self._map(sample.scores, {}), mass, float(sample.weight @ sample.labels))
        self.values_ = self.values_ + shift
        self._learn(self.knots_, self.values_, slope, slope)

    def _learn(self, knots: FloatArray, values: FloatArray, slope_low: float, slope_high: float) -> None:
        self.knots_, self.values_ = knots, values
        self.slope_low_, self.slope_high_ = slope_low, slope_high
        inner = np.diff(values) / np.diff(knots)
        self._slopes = np.concatenate(([slope_low], inner, [slope_high]))

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        piece = np.searchsorted(self.knots_, z, side="right")
        anchor = np.maximum(piece - 1, 0)
        mapped: FloatArray = self.values_[anchor] + self._slopes[piece] * (z - self.knots_[anchor])
        return mapped

    def _state(self) -> JsonDict:
        return {
            "knots": self.knots_.tolist(),
            "values": self.values_.tolist(),
            "slope_low": self.slope_low_,
            "slope_high": self.slope_high_,
        }

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        made = cls(params.number("min_information"), params.number("prior_count"))
        knots = state.increasing("knots", -1e3, 1e3)
        values = state.increasing("values", -1e4, 1e4)
        if len(values) != len(knots):
            raise state.refuse("values", f"{len(values)} items", f"{len(knots)} items, one per knot")
        too_near = np.diff(knots) < 0.5 * _MIN_SPACING
        too_flat = np.diff(values) < 0.5 * MIN_SLOPE * np.diff(knots)
        for name, column, bad in (("knots", knots, too_near), ("values", values, too_flat)):
            if bad.any():
                k = int(np.argmax(bad)) + 1
                raise state.refuse(f"{name}[{k}]", column[k], "a clear step up from the one before")
        low = state.number("slope_low", MIN_SLOPE, MAX_SLOPE)
        made._learn(knots, values, low, state.number("slope_high", MIN_SLOPE, MAX_SLOPE))
        return made


class _Pools(NamedTuple):
    """Columns [k] of the pools, from low to high scores."""

    mass: FloatArray
    positives: FloatArray
    expected: FloatArray
    information: FloatArray
    centre: FloatArray


def _pools(sample: Sample, line: PlattCalibrator, min_information: float) -> _Pools:
    """Pools of equal scores, then of violators, then of too little information."""
    z = sample.scores
    first = np.concatenate(([0], np.flatnonzero(np.diff(z)) + 1))
    mass = sample.weight * sample.exposure
    straight = line.slope_ * z + line.intercept_
    prior = expit(straight)
    information = np.maximum(mass * prior * expit(-straight), 1e-300)
    columns = np.stack((mass, sample.weight * sample.labels, mass * prior, information))
    columns = np.add.reduceat(columns, first, axis=1)
    pooled = isotonic_regression(columns[1] / columns[0], weights=columns[0]).blocks[:-1]
    columns = np.add.reduceat(columns, pooled, axis=1)
    low = z[first[pooled]]
    high = np.concatenate((z[first[pooled[1:]] - 1], z[-1:]))
    # The running sums of a merged pool are taken once here; the loop only chooses where pools begin.
    starts = [0]
    held = 0.0
    for k, information in enumerate(columns[3].tolist()):
        if held >= min_information and low[k] - low[starts[-1]] >= _MIN_SPACING:
            starts.append(k)
            held = 0.0
        held += information
    if held < min_information and len(starts) > 1:
        starts.pop()
    merged = np.add.reduceat(columns, starts, axis=1)
    low = low[starts]
    high = high[np.concatenate((np.array(starts[1:], dtype=np.intp) - 1, [-1]))]
    mean = np.clip(merged[2] / merged[0], 1e-300, _MAX_RATE)
    centre = np.clip((logit(mean) - line.intercept_) / line.slope_, low, high)
    keep = np.concatenate(([True], np.diff(centre) >= _MIN_SPACING))
    if not keep.all():  # pools so narrow that their centres fall together
        starts = [start for start, kept in zip(starts, keep, strict=True) if kept]
        merged = np.add.reduceat(columns, starts, axis=1)
        centre = centre[keep]
    return _Pools(merged[0], merged[1], merged[2], merged[3], centre)
