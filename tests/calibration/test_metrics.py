import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from calibration import CalibrationError, UndefinedMetric, metrics


def columns(seed: int, n: int = 500):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(n), 2) * 0.98 + 0.01  # ties
    return scores, (rng.random(n) < scores).astype(float), rng.uniform(0.0, 2.0, n)


def test_pcoc_is_predicted_over_observed():
    # Promises 3, sees 2: above 1 the model promises too much.
    assert metrics.pcoc([0.5] * 6, [1, 1, 0, 0, 0, 0]) == 1.5


def test_pcoc_weighs_rows_and_counts_exposure_once():
    assert metrics.pcoc([0.5, 0.2], [1, 0], weight=[2.0, 5.0]) == pytest.approx(1.0)
    assert metrics.pcoc([0.5, 0.5], [1, 0], exposure=[1.0, 0.5]) == pytest.approx(0.75)


def test_log_loss_and_auc_agree_with_scikit_learn():
    scores, labels, weight = columns(1)
    assert metrics.log_loss(scores, labels, weight) == pytest.approx(
        log_loss(labels, scores, sample_weight=weight)
    )
    assert metrics.auc(scores, labels, weight) == pytest.approx(
        roc_auc_score(labels, scores, sample_weight=weight)
    )


def test_log_loss_under_exposure_is_that_of_the_product():
    scores, labels, weight = columns(2)
    exposure = np.linspace(0.1, 1.0, len(scores))
    found = metrics.log_loss(scores, labels, weight, exposure)
    assert found == pytest.approx(metrics.log_loss(scores * exposure, labels, weight))


def test_auc_counts_a_tie_as_one_half():
    assert metrics.auc([0.5, 0.5], [1, 0]) == 0.5
    assert metrics.auc([0.5, 0.5, 0.9], [1, 0, 1]) == 0.75


def test_normalized_entropy_uses_the_base_rate_of_the_data_at_hand():
    labels = np.arange(1000) % 20 == 0
    assert metrics.normalized_entropy(np.full(1000, 0.05), labels) == pytest.approx(1.0)
    # The base rate of the training data, .02, is worse than that of these, not equal to it.
    assert metrics.normalized_entropy(np.full(1000, 0.02), labels) > 1.08
    entropy = -(0.05 * math.log(0.05) + 0.95 * math.log(0.95))
    perfect = np.where(labels, 0.9, 0.1)
    expected = metrics.log_loss(perfect, labels) / entropy
    assert metrics.normalized_entropy(perfect, labels) == pytest.approx(expected)


def test_normalized_entropy_under_exposure_is_one_for_the_rate_per_exposure():
    exposure = np.tile([1.0, 0.25], 400)
    labels = np.tile([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 100)
    rate = labels.sum() / exposure.sum()
    assert metrics.normalized_entropy(np.full(800, rate), labels, exposure=exposure) == pytest.approx(1.0)


def test_ece_of_two_honest_scores_is_zero_and_of_two_liars_their_lie():
    scores = np.repeat([0.2, 0.6], 100)
    labels = np.concatenate((np.arange(100) < 20, np.arange(100) < 60))
    assert metrics.ece(scores, labels) == pytest.approx(0.0, abs=1e-12)
    liars = np.concatenate((np.arange(100) < 30, np.arange(100) < 40))
    assert metrics.ece(scores, liars) == pytest.approx(0.15)


def test_a_constant_has_a_perfect_ece_and_pcoc_and_no_order():
    labels = np.arange(100) % 4 == 0
    constant = np.full(100, 0.25)
    assert metrics.ece(constant, labels) == pytest.approx(0.0)
    assert metrics.pcoc(constant, labels) == pytest.approx(1.0)
    assert metrics.auc(constant, labels) == 0.5
    assert metrics.normalized_entropy(constant, labels) == pytest.approx(1.0)


def test_bins_hold_equal_mass_and_keep_equal_scores_together():
    table = metrics.reliability(np.linspace(0.01, 0.99, 1000), np.arange(1000) % 2, bins=10)
    assert table.mass.tolist() == [100.0] * 10
    heap = np.concatenate((np.full(900, 0.1), np.linspace(0.2, 0.9, 100)))
    table = metrics.reliability(heap, np.arange(1000) % 2, bins=10)
    assert table.mass[0] == 900.0
    assert table.low[0] == table.high[0] == 0.1


def test_exposure_is_divided_out_of_the_reliability_table():
    table = metrics.reliability([0.4] * 4, [1, 0, 0, 0], exposure=[1.0, 0.5, 0.5, 0.5], bins=1)
    assert table.observed[0] == pytest.approx(0.4)
    assert table.predicted[0] == pytest.approx(0.4)


ROUNDING = [
    1.0,
    2.15,
    1.45,
    3.0,
    2.33,
    2.49,
    0.78,
    0.46,
    0.6,
    1.3,
    1.54,
    0.58,
    2.34,
    2.61,
    0.95,
    1.52,
    1.78,
    2.17,
    0.44,
    0.84,
    2.19,
    1.7,
    2.7,
    1.34,
    1.22,
    0.92,
    0.69,
    1.95,
    0.79,
    2.59,
    0.81,
]
"""Weights whose product with ones, summed, is above their sum by rounding."""


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(0.0, 1.0), st.booleans(), st.floats(0.0, 3.0)), min_size=1, max_size=60
    ),
    bins=st.integers(1, 20),
)
@example(rows=[(0.0, True, weight) for weight in ROUNDING], bins=1)
def test_the_terms_of_the_brier_score_add_up(rows, bins):
    scores, labels, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    weight[0] = 1.0
    found = metrics.murphy(scores, labels, weight, bins)
    total = found.reliability - found.resolution + found.uncertainty + found.within
    assert found.brier == pytest.approx(total, abs=1e-9)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0.0


def test_the_brier_score_agrees_with_scikit_learn():
    scores, labels, weight = columns(3)
    found = metrics.murphy(scores, labels, weight).brier
    assert found == pytest.approx(brier_score_loss(labels, scores, sample_weight=weight))


def test_grouped_auc_is_the_mean_of_the_groups_by_weight():
    scores, labels, weight = columns(4)
    group = np.arange(500) % 7
    parts = [
        (metrics.auc(scores[g], labels[g], weight[g]), weight[g].sum())
        for g in (group == k for k in range(7))
    ]
    expected = sum(value * mass for value, mass in parts) / sum(mass for _, mass in parts)
    assert metrics.grouped_auc(scores, labels, weight, group=group) == pytest.approx(expected)


def test_grouped_auc_leaves_out_groups_of_one_class():
    group = ["a", "a", "b", "b"]
    assert metrics.grouped_auc([0.9, 0.1, 0.2, 0.3], [1, 0, 0, 0], group=group) == 1.0


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(0.01, 0.99), st.booleans(), st.integers(1, 4), st.floats(0.1, 1.0)),
        min_size=2,
        max_size=30,
    )
)
def test_a_whole_weight_is_worth_as_many_rows(rows):
    scores, labels, weight, exposure = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    labels[:2] = (0.0, 1.0)
    many = [np.repeat(column, weight.astype(int)) for column in (scores, labels, exposure)]
    for metric in (metrics.pcoc, metrics.log_loss, metrics.ece):
        one_by_one = metric(many[0], many[1], exposure=many[2])
        assert metric(scores, labels, weight, exposure) == pytest.approx(one_by_one, rel=1e-9, abs=1e-12)
    assert metrics.auc(scores, labels, weight) == pytest.approx(metrics.auc(many[0], many[1]))


@pytest.mark.parametrize(
    ("metric", "labels"),
    [
        (metrics.pcoc, [0, 0]),
        (metrics.auc, [1, 1]),
        (metrics.auc, [0, 0]),
        (metrics.normalized_entropy, [0, 0]),
        (metrics.normalized_entropy, [1, 1]),
    ],
)
def test_a_metric_without_a_value_says_so(metric, labels):
    with pytest.raises(UndefinedMetric):
        metric([0.1, 0.2], labels)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (([], []), "scores"),
        (([[0.1]], [[1]]), "scores"),
        ((0.1, 1), "scores"),
        ((["a"], [1]), "scores"),
        (([float("nan")], [1]), "scores[0]"),
        (([0.1, 1.2], [1, 0]), "scores[1]"),
        (([0.1], [2]), "labels[0]"),
        (([0.1, 0.2], [1]), "labels"),
        (([0.1], [1], [-1.0]), "weight[0]"),
        (([0.1], [1], [float("inf")]), "weight[0]"),
        (([0.1], [1], [0.0]), "weight"),
        (([0.1], [1], None, [0.0]), "exposure[0]"),
        (([0.1], [1], None, [1.1]), "exposure[0]"),
    ],
)
def test_a_bad_column_is_named(arguments, field):
    with pytest.raises(CalibrationError) as caught:
        metrics.log_loss(*arguments)
    assert caught.value.field == field
