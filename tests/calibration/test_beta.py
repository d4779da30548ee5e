import numpy as np
import pytest
from scipy.special import log_expit
from sklearn.linear_model import LogisticRegression

from calibration import BetaCalibrator, PlattCalibrator, metrics


def test_it_finds_both_slopes(world):
    def bend(z):
        return 0.6 * log_expit(z) - 1.8 * log_expit(-z) - 0.4

    data = world(200_000, 1, bend=bend, centre=0.0)
    fitted = BetaCalibrator().fit(data.scores, data.labels)
    assert (fitted.a_, fitted.b_, fitted.c_) == pytest.approx((0.6, 1.8, -0.4), abs=0.1)


def test_exposure_is_part_of_the_likelihood(world):
    def bend(z):
        return 0.6 * log_expit(z) - 1.8 * log_expit(-z) - 0.4

    data = world(300_000, 2, bend=bend, centre=0.0, exposed=True)
    fitted = BetaCalibrator().fit(data.scores, data.labels, exposure=data.exposure)
    assert (fitted.a_, fitted.b_, fitted.c_) == pytest.approx((0.6, 1.8, -0.4), abs=0.12)


def test_where_all_scores_are_small_the_far_slope_stays_one_and_it_is_a_line(world):
    data = world(50_000, 3, bend=lambda z: 1.2 * z - 0.3, centre=-8.0)
    fitted = BetaCalibrator().fit(data.scores, data.labels)
    line = PlattCalibrator().fit(data.scores, data.labels)
    assert fitted.b_ == pytest.approx(1.0, abs=0.05)
    assert fitted.transform(data.scores) == pytest.approx(line.transform(data.scores), rel=0.05)


def test_the_mean_is_preserved_on_the_fitting_data(world):
    data = world(5_000, 4, bend=lambda z: 0.5 * z, centre=0.0)
    found = BetaCalibrator().fit(data.scores, data.labels).transform(data.scores)
    assert metrics.pcoc(found, data.labels) == pytest.approx(1.0, abs=1e-7)


def test_it_agrees_with_logistic_regression_of_scikit_learn(world):
    data = world(5_000, 5, bend=lambda z: 0.6 * log_expit(z) - 1.8 * log_expit(-z), centre=0.0)
    fitted = BetaCalibrator(ridge=1e-9).fit(data.scores, data.labels)
    peer = LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000)
    peer.fit(np.column_stack((np.log(data.scores), -np.log1p(-data.scores))), data.labels)
    expected = (*peer.coef_[0], *peer.intercept_)
    assert (fitted.a_, fitted.b_, fitted.c_) == pytest.approx(expected, abs=1e-4)
