import numpy as np
import pytest
from scipy.special import expit, logit

from calibration import CalibrationError, SegmentCalibrator, from_json, metrics


def market(seed: int, sizes: list[int], deviation: float):
    """Segments of given sizes whose log-odds are off by N(0.3, deviation)."""
    rng = np.random.default_rng(seed)
    shift = 0.3 + deviation * rng.normal(size=len(sizes))
    segment = np.repeat(np.arange(len(sizes)), sizes)
    z = rng.normal(-2.0, 1.0, len(segment))
    labels = rng.random(len(segment)) < expit(z + shift[segment])
    return expit(z), labels.astype(float), segment, shift


def test_large_segments_get_their_own_shift():
    scores, labels, segment, shift = market(1, [20_000] * 6, 0.6)
    fitted = SegmentCalibrator("surface").fit(scores, labels, segment={"surface": segment})
    assert [fitted.shifts_[k] for k in range(6)] == pytest.approx(shift, abs=0.08)


def test_the_variance_between_segments_is_found():
    scores, labels, segment, _ = market(2, [500] * 150, 0.5)
    fitted = SegmentCalibrator("ad").fit(scores, labels, segment={"ad": segment})
    assert np.sqrt(fitted.variance_) == pytest.approx(0.5, abs=0.1)
    assert fitted.overall_ == pytest.approx(0.3, abs=0.1)


def test_equal_segments_are_left_equal():
    scores, labels, segment, _ = market(3, [500] * 60, 0.0)
    fitted = SegmentCalibrator("ad").fit(scores, labels, segment={"ad": segment})
    shifts = np.array([fitted.shifts_[k] for k in range(60)])
    assert shifts.std() < 0.06
    assert shifts == pytest.approx(np.full(60, 0.3), abs=0.15)


def test_shrinkage_beats_both_no_correction_and_each_segment_alone():
    scores, labels, segment, shift = market(4, [60] * 400, 0.5)
    fitted = SegmentCalibrator("ad").fit(scores, labels, segment={"ad": segment})
    error = np.mean([(fitted.shifts_[k] - shift[k]) ** 2 for k in range(400)])
    alone = SegmentCalibrator("ad", variance=1e3).fit(scores, labels, segment={"ad": segment})
    assert error < 0.7 * np.mean([(alone.shifts_[k] - shift[k]) ** 2 for k in range(400)])
    assert error < 0.7 * np.mean((fitted.overall_ - shift) ** 2)


def test_a_small_segment_is_drawn_to_the_overall_shift():
    scores, labels, segment, _ = market(5, [30_000] * 8, 0.5)
    small = np.full(5, 99)
    fitted = SegmentCalibrator("ad").fit(
        np.append(scores, np.full(5, 0.1)),
        np.append(labels, np.ones(5)),
        segment={"ad": np.append(segment, small)},
    )
    assert fitted.overall_ < fitted.shifts_[99] < fitted.overall_ + 3.0
    assert logit(fitted.transform([0.1], segment={"ad": [99]}))[0] < logit(0.99)


def test_a_cold_segment_and_a_missing_column_get_the_overall_shift():
    scores, labels, segment, _ = market(6, [1_000] * 10, 0.5)
    fitted = SegmentCalibrator("ad").fit(scores, labels, segment={"ad": segment})
    expected = expit(logit(0.1) + fitted.overall_)
    for column in ({"ad": [12_345]}, {}, None, {"surface": ["home"]}):
        assert fitted.transform([0.1], segment=column)[0] == pytest.approx(expected, rel=1e-12)


def test_the_mean_is_preserved_on_the_fitting_data():
    scores, labels, segment, _ = market(7, [37, 1, 500, 2_000, 8], 1.0)
    fitted = SegmentCalibrator("ad").fit(scores, labels, segment={"ad": segment})
    found = fitted.transform(scores, segment={"ad": segment})
    assert metrics.pcoc(found, labels) == pytest.approx(1.0, abs=1e-6)


def test_exposure_is_divided_out():
    rng = np.random.default_rng(8)
    segment = np.repeat([0, 1], 60_000)
    scores = expit(rng.normal(-2.0, 1.0, 120_000))
    truth = expit(logit(scores) + np.where(segment == 0, -0.4, 0.4))
    exposure = rng.uniform(0.1, 1.0, 120_000)
    labels = rng.random(120_000) < exposure * truth
    fitted = SegmentCalibrator("s", variance=1.0).fit(
        scores, labels, exposure=exposure, segment={"s": segment}
    )
    assert (fitted.shifts_[0], fitted.shifts_[1]) == pytest.approx((-0.4, 0.4), abs=0.06)


def test_large_ids_are_not_confused():
    # As floats these two are one number.
    ids = np.array([2**53, 2**53 + 1] * 3_000)
    labels = np.array([0.0, 1.0] * 3_000)
    fitted = SegmentCalibrator("pin", variance=1.0).fit(np.full(6_000, 0.5), labels, segment={"pin": ids})
    low, high = from_json(fitted.to_json()).transform([0.5, 0.5], segment={"pin": ids[:2]})
    assert low < 0.1
    assert high > 0.9


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        ([1.0, 2.0], "int64 or str"),
        ([1], "2 rows"),
        ([[1], [2]], "one dimension"),
        ([None, "a"], r"segment.ad\[0\]"),
        (["x" * 300, "a"], "256"),
        (np.array([2**63, 1], dtype=np.uint64), "int64 or str"),
    ],
)
def test_ids_that_are_no_ids_are_refused(column, complaint):
    with pytest.raises(CalibrationError, match=complaint):
        SegmentCalibrator("ad").fit([0.1, 0.2], [0, 1], segment={"ad": column})


def test_ids_of_another_type_than_fitted_are_refused():
    fitted = SegmentCalibrator("ad").fit([0.1, 0.2], [0, 1], segment={"ad": ["a", "b"]})
    with pytest.raises(CalibrationError, match="type str"):
        fitted.transform([0.1], segment={"ad": [1]})


def test_fitting_without_the_column_is_refused():
    with pytest.raises(CalibrationError, match=r"segment\.ad"):
        SegmentCalibrator("ad").fit([0.1, 0.2], [0, 1])
