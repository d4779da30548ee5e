"""Parameters as searches and careless callers give them."""

import json

import numpy as np
import pytest

from calibration import (
    BetaCalibrator,
    CalibrationError,
    Chain,
    DriftCorrector,
    IsotonicCalibrator,
    JointCalibrator,
    PlattCalibrator,
    SamplingCorrection,
    SegmentCalibrator,
    TemperatureCalibrator,
    from_json,
    metrics,
)

SCORES, LABELS = np.linspace(0.05, 0.6, 200), (np.arange(200) % 4 == 0).astype(float)
SEGMENT = {"surface": ["home", "search"] * 100}


@pytest.mark.parametrize("value", ["1", None, [1.0], np.ones(2), True, np.nan, 1j], ids=str)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (PlattCalibrator, "ridge"),
        (BetaCalibrator, "ridge"),
        (TemperatureCalibrator, "ridge"),
        (IsotonicCalibrator, "min_information"),
        (IsotonicCalibrator, "prior_count"),
        (SamplingCorrection, "rate"),
        (DriftCorrector, "half_life"),
        (DriftCorrector, "prior_precision"),
        (DriftCorrector, "max_factor"),
    ],
)
def test_what_is_no_number_is_refused_by_name(kind, name, value):
    with pytest.raises(CalibrationError) as refused:
        kind(**{name: value}).fit(SCORES, LABELS)
    assert refused.value.field == name


def test_what_is_no_number_is_refused_by_name_elsewhere():
    with pytest.raises(CalibrationError, match="variance"):
        SegmentCalibrator("surface", "1").fit(SCORES, LABELS, segment=SEGMENT)
    with pytest.raises(CalibrationError, match="ridge"):
        JointCalibrator("1").fit(SCORES, SCORES, LABELS)
    for wrong in ({"level": "0.9"}, {"replicates": "200"}, {"replicates": True}):
        with pytest.raises(CalibrationError, match=next(iter(wrong))):
            metrics.with_interval(metrics.pcoc, SCORES, LABELS, seed=0, **wrong)
    with pytest.raises(CalibrationError, match="epsilon"):
        metrics.field_rce(SCORES, LABELS, field=SEGMENT["surface"], epsilon="0.1")
    with pytest.raises(CalibrationError, match="min_observed"):
        metrics.pcoc_by_group(SCORES, LABELS, SEGMENT["surface"], min_observed=None)


@pytest.mark.parametrize(
    "calibrator",
    [
        PlattCalibrator(np.float32(0.1)),
        IsotonicCalibrator(min_information=np.int64(20)),
        SegmentCalibrator("surface", np.float64(0.5)),
        DriftCorrector(half_life=np.int32(1000)),
        Chain([SamplingCorrection(np.float32(0.1)), BetaCalibrator(np.int64(2))]),
    ],
    ids=repr,
)
def test_numpys_numbers_are_numbers_and_plain_in_json(calibrator):
    """`GridSearchCV` over `np.arange` left a calibrator that json could not write."""
    fitted = calibrator.fit(SCORES, LABELS, segment=SEGMENT)
    again = from_json(json.dumps(fitted.to_json()))
    assert np.array_equal(again.transform(SCORES, segment=SEGMENT), fitted.transform(SCORES, segment=SEGMENT))


def test_numpys_numbers_count_bins_and_replicates():
    assert metrics.ece(SCORES, LABELS, bins=np.int64(5)) == metrics.ece(SCORES, LABELS, bins=5)
    found = metrics.with_interval(metrics.pcoc, SCORES, LABELS, seed=0, replicates=np.int64(20))
    assert found.replicates == 20
    joint = JointCalibrator(np.float32(2.0)).fit(SCORES, SCORES, LABELS)
    assert JointCalibrator.from_json(json.dumps(joint.to_json())).slope_ == joint.slope_


def test_chains_that_json_would_not_read_are_not_fitted():
    chain = Chain([Chain([Chain([PlattCalibrator()])])])
    fitted = chain.fit(SCORES, LABELS)
    assert np.array_equal(from_json(fitted.to_json()).transform(SCORES), fitted.transform(SCORES))
    with pytest.raises(CalibrationError, match="steps: 'nested too deep'"):
        Chain([chain]).fit(SCORES, LABELS)
    with pytest.raises(CalibrationError, match="steps"):
        Chain([Chain(None)]).fit(SCORES, LABELS)
    inside = Chain([PlattCalibrator()])
    inside.steps.append(inside)
    with pytest.raises(CalibrationError, match="steps: 'nested too deep'"):
        inside.fit(SCORES, LABELS)


def test_a_segment_far_from_its_scores_survives_json():
    scores, labels = [1e-15] * 3 + [0.5] * 4, [1, 1, 1, 0, 1, 0, 1]
    ids = {"surface": ["rare"] * 3 + ["home"] * 4}
    fitted = SegmentCalibrator("surface", 1000.0).fit(scores, labels, [1e6] * 3 + [1.0] * 4, segment=ids)
    assert fitted.shifts_["rare"] > 50.0
    assert from_json(json.dumps(fitted.to_json())).shifts_ == fitted.shifts_
