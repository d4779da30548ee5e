import numpy as np
import pytest

from calibration import CalibrationError, metrics


def test_the_worked_example():
    # shoes: 2 seen, 1 said, 2 rows; rugs: 1 seen, 1.5 said, 3 rows.
    scores, labels = [0.5, 0.5, 0.5, 0.5, 0.5], [1, 1, 1, 0, 0]
    field = ["shoes", "shoes", "rugs", "rugs", "rugs"]
    expected = (2 * 1.0 / (2 + 2 * 0.01) + 3 * 0.5 / (1 + 3 * 0.01)) / 5
    assert metrics.field_rce(scores, labels, field=field) == pytest.approx(expected)


def test_errors_of_groups_do_not_cancel_as_they_do_in_pcoc():
    scores, labels = [0.5] * 4, [1, 1, 0, 0]
    assert metrics.pcoc(scores, labels) == 1.0
    assert metrics.field_rce(scores, labels, field=[1, 1, 2, 2]) > 0.5
    assert metrics.field_rce(scores, labels, field=[1, 2, 1, 2]) == 0.0


def test_weight_counts_rows_and_exposure_scales_what_was_said():
    twice = metrics.field_rce([0.5, 0.2], [1, 0], [2.0, 1.0], field=["a", "b"])
    assert twice == pytest.approx(metrics.field_rce([0.5, 0.5, 0.2], [1, 1, 0], field=["a", "a", "b"]))
    assert metrics.field_rce([1.0, 1.0], [1, 0], None, [0.5, 0.5], field=["a", "a"]) == 0.0


def test_its_noise_is_told_from_its_error():
    rng = np.random.default_rng(0)
    n = 20_000
    field = rng.integers(0, 50, n)
    truth = rng.uniform(0.01, 0.2, n)
    labels = rng.random(n) < truth
    noise = metrics.if_calibrated(metrics.field_rce, truth, seed=1, field=field, replicates=100)
    assert metrics.field_rce(truth, labels, field=field) in noise
    tilted = np.clip(truth * np.where(field < 25, 1.4, 1 / 1.4), 0.0, 1.0)
    assert metrics.field_rce(tilted, labels, field=field) > noise.high


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"field": [1.5, 2.0]}, "field"),
        ({"field": ["a"]}, "field"),
        ({"field": ["a", "b"], "epsilon": 0.0}, "epsilon"),
        ({"field": ["a", "b"], "epsilon": float("nan")}, "epsilon"),
    ],
)
def test_bad_fields_are_named(options, named):
    with pytest.raises(CalibrationError, match=named):
        metrics.field_rce([0.1, 0.2], [0, 1], **options)
