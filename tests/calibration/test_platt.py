import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from calibration import NotFittedError, PlattCalibrator, metrics


def test_it_finds_the_line_that_made_the_labels(world):
    data = world(200_000, 1, bend=lambda z: 1.4 * z + 0.7)
    fitted = PlattCalibrator().fit(data.scores, data.labels)
    assert fitted.slope_ == pytest.approx(1.4, abs=0.03)
    assert fitted.intercept_ == pytest.approx(0.7, abs=0.08)


def test_it_agrees_with_logistic_regression_of_scikit_learn(world):
    data = world(5_000, 2, bend=lambda z: 1.4 * z + 0.7)
    weight = np.random.default_rng(3).uniform(0.1, 2.0, 5_000)
    fitted = PlattCalibrator(ridge=1e-9).fit(data.scores, data.labels, weight)
    peer = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000)
    peer.fit(logit(data.scores)[:, None], data.labels, sample_weight=weight)
    assert fitted.slope_ == pytest.approx(float(peer.coef_[0, 0]), abs=1e-5)
    assert fitted.intercept_ == pytest.approx(float(peer.intercept_[0]), abs=1e-4)


def test_exposure_is_part_of_the_likelihood(world):
    data = world(200_000, 4, bend=lambda z: 0.8 * z + 0.3, exposed=True)
    fitted = PlattCalibrator().fit(data.scores, data.labels, exposure=data.exposure)
    assert fitted.slope_ == pytest.approx(0.8, abs=0.03)
    assert fitted.intercept_ == pytest.approx(0.3, abs=0.08)
    found = metrics.pcoc(fitted.transform(data.scores), data.labels, exposure=data.exposure)
    assert found == pytest.approx(1.0, abs=0.01)


def test_the_mean_is_preserved_on_the_fitting_data(world):
    data = world(3_000, 5, bend=lambda z: 0.3 * z)
    found = PlattCalibrator().fit(data.scores, data.labels).transform(data.scores)
    assert metrics.pcoc(found, data.labels) == pytest.approx(1.0, abs=1e-7)


def test_scores_in_the_wrong_order_are_flattened_and_never_reversed(world):
    data = world(20_000, 6, bend=lambda z: -z - 6.0)
    fitted = PlattCalibrator().fit(data.scores, data.labels)
    assert fitted.slope_ == 0.01
    assert metrics.pcoc(fitted.transform(data.scores), data.labels) == pytest.approx(1.0, abs=1e-7)


def test_a_whole_weight_is_worth_as_many_rows(world):
    data = world(500, 7)
    twice = PlattCalibrator().fit(np.tile(data.scores, 2), np.tile(data.labels, 2))
    heavy = PlattCalibrator().fit(data.scores, data.labels, np.full(500, 2.0))
    assert heavy.slope_ == pytest.approx(twice.slope_, abs=1e-9)
    assert heavy.intercept_ == pytest.approx(twice.intercept_, abs=1e-9)


def test_logits_and_their_probabilities_give_the_same(world):
    data = world(500, 8)
    fitted = PlattCalibrator().fit(data.scores, data.labels)
    same = fitted.transform_logit(logit(data.scores))
    assert same == pytest.approx(fitted.transform(data.scores), rel=1e-12)


def test_logits_where_scores_are_rounded_to_one_keep_their_order(world):
    data = world(500, 9, centre=0.0)
    found = PlattCalibrator().fit(data.scores, data.labels).transform_logit(np.arange(10.0, 20.0, 0.5))
    assert (np.diff(found) > 0.0).all()


def test_before_fit_it_says_so():
    with pytest.raises(NotFittedError, match="fit"):
        PlattCalibrator().transform([0.5])
    with pytest.raises(NotFittedError):
        PlattCalibrator().to_json()
