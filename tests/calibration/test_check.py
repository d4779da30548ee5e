"""Every calibrator passes the suite, and the suite catches those that should not."""

import numpy as np
import pytest
import sklearn.base

from calibration import (
    BetaCalibrator,
    Calibrator,
    Chain,
    DriftCorrector,
    IsotonicCalibrator,
    PlattCalibrator,
    SamplingCorrection,
    SegmentCalibrator,
    TemperatureCalibrator,
    check_calibrator,
)

EVERY = [
    IsotonicCalibrator(),
    IsotonicCalibrator(min_information=1.0, prior_count=0.1),
    PlattCalibrator(),
    BetaCalibrator(),
    TemperatureCalibrator(),
    SamplingCorrection(0.05),
    SegmentCalibrator("surface", variance=0.5),
    SegmentCalibrator("surface"),
    DriftCorrector(),
    Chain(
        [SamplingCorrection(0.1), IsotonicCalibrator(), SegmentCalibrator("surface", 0.1), DriftCorrector()]
    ),
    Chain([Chain([SamplingCorrection(0.5), PlattCalibrator()]), TemperatureCalibrator()]),
]


@pytest.mark.parametrize("calibrator", EVERY, ids=repr)
def test_every_calibrator_passes_the_suite(calibrator: Calibrator) -> None:
    check_calibrator(calibrator)


@pytest.mark.parametrize("calibrator", EVERY, ids=repr)
def test_scikit_learn_can_clone_it(calibrator: Calibrator) -> None:
    cloned = sklearn.base.clone(calibrator)
    assert repr(cloned) == repr(calibrator)
    assert cloned is not calibrator


class Staircase(IsotonicCalibrator):
    def _map(self, z, segment):
        return super()._map(np.round(z), segment)


class Restless(PlattCalibrator):
    def _map(self, z, segment):
        self.intercept_ += 1e-3
        return super()._map(z, segment)


class ByTheBatch(PlattCalibrator):
    def _map(self, z, segment):
        return super()._map(z, segment) + 1e-6 * float(np.mean(z)) if len(z) else z


class ByTheOrder(PlattCalibrator):
    def fit(self, scores, labels, weight=None, exposure=None, *, segment=None):
        super().fit(scores, labels, weight, exposure, segment=segment)
        self.intercept_ += 1e-9 * float(scores[0])
        return self


class Saturated(PlattCalibrator):
    def _apply(self, z, segment):
        return super()._apply(z, segment) * 50.0


class Clipped(PlattCalibrator):
    """Ties where scores are rare: 1e-9 and below."""

    def _map(self, z, segment):
        return super()._map(np.maximum(z, -20.7), segment)


class SelfLess(PlattCalibrator):
    def fit(self, scores, labels, weight=None, exposure=None, *, segment=None):
        return super().fit(scores, labels, weight, exposure, segment=segment).clone()


class Eager(PlattCalibrator):
    def __init__(self, ridge: float = 1.0) -> None:
        super().__init__(ridge)
        self.extra = 1


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Staircase(), "check_the_map_is_strictly_increasing"),
        (Restless(), "check_transform_changes_nothing|check_a_row_does_not_depend"),
        (ByTheBatch(), "check_a_row_does_not_depend"),
        (ByTheOrder(), "check_json|check_the_order_of_rows"),
        (Saturated(), "check_the_map_is_strictly_increasing"),
        (Clipped(), "check_the_map_is_strictly_increasing"),
        (SelfLess(), "check_fit_returns"),
        (Eager(), "check_json|check_a_clone"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_calibrator_is_caught_by_the_rule_it_breaks(broken: Calibrator, rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_calibrator(broken)
