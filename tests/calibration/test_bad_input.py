"""What a calibrator or a metric cannot use is refused by the name of the column, never worked on."""

import json
import time

import numpy as np
import pandas as pd
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
    UndefinedMetric,
    from_json,
    metrics,
)

N = 50
SCORES, LABELS = np.linspace(0.05, 0.6, N), (np.arange(N) % 4 == 0).astype(float)
SEGMENT = {"surface": ["home", "search"] * (N // 2)}
EVERY = [
    IsotonicCalibrator(),
    PlattCalibrator(),
    BetaCalibrator(),
    TemperatureCalibrator(),
    SamplingCorrection(0.5),
    SegmentCalibrator("surface"),
    DriftCorrector(),
    Chain([PlattCalibrator(), SegmentCalibrator("surface")]),
]


def spoilt(column: np.ndarray, value: float) -> np.ndarray:
    wrong = column.copy()
    wrong[7] = value
    return wrong


BAD = {
    "a score that is no number": ({"scores": spoilt(SCORES, np.nan)}, "scores[7]"),
    "an infinite score": ({"scores": spoilt(SCORES, np.inf)}, "scores[7]"),
    "a score above 1": ({"scores": spoilt(SCORES, 1.0000001)}, "scores[7]"),
    "a label that is no number": ({"labels": spoilt(LABELS, np.nan)}, "labels[7]"),
    "a label between": ({"labels": spoilt(LABELS, 0.5)}, "labels[7]"),
    "a negative weight": ({"weight": spoilt(np.ones(N), -1e-9)}, "weight[7]"),
    "an infinite weight": ({"weight": spoilt(np.ones(N), np.inf)}, "weight[7]"),
    "weights of zero": ({"weight": np.zeros(N)}, "weight"),
    "an exposure of zero": ({"exposure": spoilt(np.ones(N), 0.0)}, "exposure[7]"),
    "too few labels": ({"labels": LABELS[1:]}, "labels"),
    "no rows": ({"scores": [], "labels": []}, "scores"),
    "words": ({"scores": ["high"] * N}, "scores"),
    "complex scores": ({"scores": SCORES + 1j}, "scores"),
    "times": ({"scores": np.zeros(N, "datetime64[s]")}, "scores"),
    "a masked score": ({"scores": np.ma.array(SCORES, mask=np.arange(N) == 7)}, "scores[7]"),
    "negligible weights": ({"weight": np.full(N, 1e-13)}, "weight"),
    "two dimensions": ({"scores": SCORES[:, None]}, "scores"),
}


@pytest.mark.parametrize("calibrator", EVERY, ids=repr)
@pytest.mark.parametrize("case", BAD)
def test_no_calibrator_takes_it(calibrator, case):
    wrong, field = BAD[case]
    columns = {"scores": SCORES, "labels": LABELS, "segment": SEGMENT, **wrong}
    with pytest.raises(CalibrationError) as caught:
        calibrator.clone().fit(**columns)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "metric",
    [metrics.pcoc, metrics.log_loss, metrics.normalized_entropy, metrics.ece, metrics.reliability],
)
@pytest.mark.parametrize("case", BAD)
def test_no_metric_takes_it(metric, case):
    wrong, field = BAD[case]
    with pytest.raises(CalibrationError) as caught:
        metric(**{"scores": SCORES, "labels": LABELS, **wrong})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "ids",
    [
        [7, 8] * 25,
        np.array([7, 8] * 25, dtype=object),
        np.array([np.int64(7), np.int64(8)] * 25, dtype=object),
        pd.Series([7, 8] * 25, dtype="Int64"),
        pd.Series([7, 8] * 25, dtype="category"),
        np.array([7, 8] * 25, dtype=np.uint8),
    ],
    ids=["list", "objects", "numpy's objects", "nullable", "categories", "bytes"],
)
def test_whole_numbers_are_ids_however_they_come(ids):
    fitted = SegmentCalibrator("surface").fit(SCORES, LABELS, segment={"surface": ids})
    assert list(fitted.shifts_) == [7, 8]
    assert all(type(one) is int for one in fitted.shifts_)


@pytest.mark.parametrize("ids", [[7, "home"], [True, False], [None, "home"], [2**70, 1], [7, 1.5]], ids=str)
def test_ids_of_two_kinds_or_of_none_are_refused(ids):
    column = np.array(ids * 25, dtype=object)
    with pytest.raises(CalibrationError, match="surface"):
        SegmentCalibrator("surface").fit(SCORES, LABELS, segment={"surface": column})


@pytest.mark.parametrize("weight", [1e-12, 1e-9, 1e-4, 1.0, 1e9])
@pytest.mark.parametrize(
    "calibrator", [PlattCalibrator(), BetaCalibrator(), SegmentCalibrator("surface", 1.0)]
)
def test_equal_weights_of_any_size_leave_the_level_right(calibrator, weight):
    """Below one row's weight in all, Newton's method stopped after a step, 2 % off."""
    fitted = calibrator.clone().fit(0.1 * SCORES, LABELS, np.full(N, weight), segment=SEGMENT)
    assert metrics.pcoc(fitted.transform(0.1 * SCORES, segment=SEGMENT), LABELS) == pytest.approx(
        1.0, abs=1e-6
    )


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("calibrator", EVERY, ids=repr)
def test_labels_of_one_class_give_a_map_that_still_tells_ads_apart(calibrator, label):
    """A day without a conversion is no reason to stop serving."""
    fitted = calibrator.clone().fit(SCORES, np.full(N, label), segment=SEGMENT)
    found = fitted.transform(SCORES)
    assert np.all(np.diff(found) > 0.0)
    assert np.all((found > 0.0) & (found < 1.0))


def test_metrics_that_one_class_leaves_undefined_say_so():
    for metric in (metrics.pcoc, metrics.normalized_entropy, metrics.auc):
        with pytest.raises(UndefinedMetric, match="labels"):
            metric(SCORES, np.zeros(N))
    assert metrics.field_rce(SCORES, np.zeros(N), field=np.zeros(N, np.int64)) > 1.0


HOSTILE = {
    "not JSON": "{",
    "a list": "[]",
    "nothing": "{}",
    "a name twice": '{"kind": "platt", "kind": "platt"}',
    "an unknown kind": '{"kind": "os.system", "version": 1, "params": {}, "state": {}}',
    "a later version": '{"kind": "platt", "version": 2, "params": {}, "state": {}}',
    "infinity": '{"kind": "platt", "version": 1, "params": {"ridge": 1.0}, "state": {"slope": Infinity}}',
    "a huge number": '{"kind": "platt", "version": 1, "params": {"ridge": 1' + "0" * 400 + '}, "state": {}}',
    "too deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a falling slope": json.dumps(
        {
            "kind": "platt",
            "version": 1,
            "params": {"ridge": 1.0},
            "state": {"slope": -1.0, "intercept": 0.0},
        }
    ),
}


PLATT = {"params": {"ridge": 1.0}, "state": {"slope": 1.0, "intercept": 0.0}}


def inside(levels):
    made = []
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize(
    "value",
    [inside(100_000), 10**5_000, pd.Series(["high"] * 100), np.full(1_000, "high"), "high\n" * 1_000],
    ids=["deep", "many digits", "a series", "an array", "lines"],
)
def test_a_refusal_is_one_short_line_whatever_was_found(value):
    with pytest.raises(CalibrationError) as refused:
        from_json({"kind": value})
    assert str(refused.value).startswith("kind: ")
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 200


def test_more_lists_than_any_calibrator_has_are_refused_unread():
    with pytest.raises(CalibrationError, match="2000002 lists and objects"):
        from_json("[" + "[]," * 2_000_000 + "[]]")


def test_a_name_that_nobody_knows_is_shown_on_one_short_line():
    with pytest.raises(CalibrationError, match=r"\\n\\x1b\[31mkkk") as refused:
        from_json(
            {"kind": "platt", "version": 1, "params": {}, "state": {}, "\n\x1b[31m" + "k" * 10**6: 1} | PLATT
        )
    assert len(str(refused.value)) < 250
    assert str(refused.value).isprintable()


def test_a_name_that_stands_twice_among_many_is_found_at_once():
    """Looking for it took a minute and a half, of a document of a megabyte."""
    names = [*range(100_000), 99_999]
    begin = time.process_time()
    with pytest.raises(CalibrationError, match="n99999: 'given twice'"):
        from_json("{" + ",".join(f'"n{name}":0' for name in names) + "}")
    assert time.process_time() - begin < 5.0


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("read", [from_json, JointCalibrator.from_json], ids=["one score", "joint"])
def test_a_hostile_document_is_refused(read, case):
    with pytest.raises(CalibrationError):
        read(HOSTILE[case])
