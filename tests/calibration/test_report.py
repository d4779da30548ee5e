import json

import numpy as np
import pytest

from calibration import CalibrationError, metrics
from calibration.report import report


def winners(n=3_000, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.3, n)
    surface = rng.choice(["home", "search"], n)
    truth = scores * np.where(surface == "search", 1.6, 0.7)
    return scores, (rng.random(n) < truth).astype(float), surface, rng.exponential(1.0, n)


def test_every_figure_is_the_metric_with_an_interval_around_it():
    scores, labels, surface, margin = winners()
    found = report(scores, labels, segment={"surface": surface}, margin=margin, replicates=40)
    expected = {
        "pcoc": metrics.pcoc(scores, labels),
        "log_loss": metrics.log_loss(scores, labels),
        "normalized_entropy": metrics.normalized_entropy(scores, labels),
        "auc": metrics.auc(scores, labels),
        "ece": metrics.ece(scores, labels),
        "murphy.resolution": metrics.murphy(scores, labels).resolution,
        "field_rce.surface": metrics.field_rce(scores, labels, field=surface),
    }
    for name, value in expected.items():
        assert found.figures[name].value == value
        assert found.figures[name].low < found.figures[name].high
    assert found.rows == 3_000
    assert found.positives == labels.sum()
    assert [row.group for row in found.groups["surface"]] == ["home", "search"]
    assert sum(point.rows for point in found.winners) == 3_000
    assert found.figures["field_rce.surface"].low > found.chance["field_rce.surface"].high
    again = report(scores, labels, segment={"surface": surface}, margin=margin, replicates=40)
    assert json.dumps(again.to_json()) == json.dumps(found.to_json())


def test_exposure_and_weight_reach_what_takes_them():
    scores, labels, *_ = winners()
    exposure, weight = np.full(3_000, 0.5), np.where(labels > 0.0, 2.0, 1.0)
    found = report(scores, labels, weight, exposure, replicates=20)
    assert found.figures["pcoc"].value == metrics.pcoc(scores, labels, weight, exposure)
    assert found.figures["ece"].value == metrics.ece(scores, labels, weight, exposure)
    assert found.figures["auc"].value == metrics.auc(scores, labels, weight)


def test_a_label_of_one_class_leaves_blank_what_it_cannot_say():
    scores, *_ = winners(200)
    found = report(scores, np.zeros(200), replicates=20)
    assert found.figures["auc"] is None
    assert found.figures["pcoc"] is None
    assert found.figures["normalized_entropy"] is None
    assert found.figures["log_loss"].value > 0.0
    assert found.figures["ece"].value == pytest.approx(scores.mean())


def test_progress_is_told_and_bad_columns_are_named():
    scores, labels, *_ = winners(300)
    told = []
    report(scores, labels, replicates=20, progress=lambda done, total: told.append((done, total)))
    assert told == [(k + 1, len(told)) for k in range(len(told))]
    with pytest.raises(CalibrationError, match=r"labels\[0\]"):
        report(scores, labels + 0.5)
    with pytest.raises(CalibrationError, match="margin"):
        report(scores, labels, margin=-scores, replicates=20)
    with pytest.raises(CalibrationError, match="segment"):
        report(scores, labels, segment={"surface": scores}, replicates=20)
