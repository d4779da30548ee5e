import itertools

import numpy as np
import pytest
from scipy.special import expit

from calibration import CalibrationError, metrics


def test_winners_are_over_predicted_by_selection_and_the_curve_shows_where():
    # 8 ads of one true rate; the model's noise is unbiased over all of them, and the auction takes the top.
    rng = np.random.default_rng(0)
    auctions, ads, truth = 60_000, 8, 0.05
    noise = np.exp(rng.normal(-0.08, 0.4, (auctions, ads)))  # mean 1
    said = np.clip(truth * noise, 0.0, 1.0)
    order = np.sort(said, axis=1)
    winner, margin = order[:, -1], order[:, -1] - order[:, -2]
    labels = rng.random(auctions) < truth
    everyone = said[:, 0]
    assert metrics.pcoc(everyone, labels) == pytest.approx(1.0, abs=0.06)
    assert metrics.pcoc(winner, labels) > 1.5
    curve = metrics.winners_curve(winner, labels, margin, bins=5)
    ratios = [point.pcoc for point in curve]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 1.4 * ratios[0]
    assert sum(point.rows for point in curve) == auctions
    assert sum(point.predicted for point in curve) == pytest.approx(winner.sum())
    assert all(left.high < right.low for left, right in itertools.pairwise(curve))


def test_a_bin_without_positives_has_no_ratio():
    curve = metrics.winners_curve([0.1] * 4, [0, 0, 1, 0], [0.0, 0.0, 1.0, 1.0], bins=2)
    assert [point.pcoc for point in curve] == [None, pytest.approx(0.2)]


def test_exposure_and_weight_enter_both_sides():
    (point,) = metrics.winners_curve([0.5, 0.5], [1, 0], [0.1, 0.1], [2.0, 2.0], [1.0, 0.5], bins=3)
    assert (point.predicted, point.observed, point.pcoc) == (1.5, 2.0, 0.75)


@pytest.mark.parametrize("margin", [[-1.0, 0.0], [np.nan, 0.0], [0.0]])
def test_a_margin_that_no_winner_has_is_refused(margin):
    with pytest.raises(CalibrationError, match="margin"):
        metrics.winners_curve([0.1, 0.2], [0, 1], margin)


def test_every_advertiser_gets_its_own_ratio():
    rows = metrics.pcoc_by_group(
        [0.5, 0.5, 0.1, 0.1, 0.3], [1, 1, 0, 1, 0], ["shoes", "shoes", "rugs", "rugs", "mugs"]
    )
    found = {row.group: row.pcoc for row in rows}
    assert found == {"shoes": 0.5, "rugs": 0.2, "mugs": None}
    assert [row.rows for row in rows] == [1, 2, 2]


def test_groups_too_small_to_judge_are_left_out():
    rng = np.random.default_rng(1)
    scores = expit(rng.normal(-2.0, 1.0, 9_000))
    labels = rng.random(9_000) < scores
    group = np.repeat([7, 2**53 + 1, 3], [6_000, 2_990, 10])
    rows = metrics.pcoc_by_group(scores, labels, group, min_observed=100.0)
    assert [row.group for row in rows] == [7, 2**53 + 1]
    assert all(0.8 < row.pcoc < 1.2 for row in rows)


def test_a_row_without_weight_is_not_counted():
    (row,) = metrics.pcoc_by_group([0.1, 0.2], [1, 0], ["a", "a"], weight=[1.0, 0.0])
    assert (row.rows, row.predicted, row.observed) == (1, 0.1, 1.0)
