"""The calibrators inside scikit-learn's tools."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from calibration import (
    CalibrationError,
    Chain,
    DriftCorrector,
    IsotonicCalibrator,
    PlattCalibrator,
    SamplingCorrection,
    SegmentCalibrator,
    metrics,
)
from calibration.estimator import CalibratedClassifier
from calibration.score_column import ScoreColumn


def rows(n=4_000, seed=0):
    """Naive Bayes counts three copies of one signal three times: it is far too sure of itself."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1.0, 1.0, n)
    copies = [z + rng.normal(0.0, 0.3, n) for _ in range(3)]
    return np.column_stack(copies), (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_it_keeps_the_rules_of_scikit_learn():
    check_estimator(CalibratedClassifier(), on_skip=None)


@pytest.mark.parametrize("calibrator", [PlattCalibrator(), IsotonicCalibrator()], ids=repr)
def test_an_overconfident_model_is_mended_and_keeps_its_order(calibrator):
    (X, y), (later, later_y) = rows(), rows(seed=1)
    plain = GaussianNB().fit(X, y).predict_proba(later)[:, 1]
    mended = CalibratedClassifier(GaussianNB(), calibrator).fit(X, y).predict_proba(later)
    assert mended.sum(axis=1) == pytest.approx(np.ones(len(later)))
    assert (
        metrics.normalized_entropy(plain, later_y) > 1.0 > metrics.normalized_entropy(mended[:, 1], later_y)
    )
    assert metrics.auc(mended[:, 1], later_y) == pytest.approx(metrics.auc(plain, later_y), abs=1e-9)


def test_a_margin_is_read_as_log_odds():
    (X, y), (later, later_y) = rows(), rows(seed=1)
    found = CalibratedClassifier(LinearSVC()).fit(X, y).predict_proba(later)[:, 1]
    assert 0.9 < metrics.pcoc(found, later_y) < 1.1


def test_large_margins_are_told_apart_as_the_model_does():
    """A margin of 25 and one of 900 were both read as certain, and tied."""
    rng = np.random.default_rng(0)
    X = 50.0 * rng.normal(size=(4_000, 3))
    y = rng.random(4_000) < 1 / (1 + np.exp(-X[:, 0] / 50.0))
    made = CalibratedClassifier(SGDClassifier(random_state=0)).fit(X[:2_000], y[:2_000])
    margin = made.estimator_.decision_function(X[2_000:])
    p = made.predict_proba(X[2_000:])[:, 1]
    assert np.abs(margin).max() > 100.0
    assert metrics.auc(p, y[2_000:]) == pytest.approx(roc_auc_score(y[2_000:], margin), abs=1e-12)


def test_a_model_that_says_no_number_is_refused():
    class Lost(LogisticRegression):
        def predict_proba(self, X):
            return np.full((len(X), 2), np.nan)

    with pytest.raises(CalibrationError, match=r"scores\[0\]: nan"):
        CalibratedClassifier(Lost()).fit(*rows(200))


def test_a_frozen_model_is_left_as_it_is_and_calibrated_on_all_rows():
    X, y = rows()
    forest = RandomForestClassifier(20, random_state=0).fit(X[:2000], y[:2000])
    made = CalibratedClassifier(FrozenEstimator(forest), PlattCalibrator()).fit(X[2000:], y[2000:])
    direct = PlattCalibrator().fit(forest.predict_proba(X[2000:])[:, 1], y[2000:])
    assert made.calibrator_.to_json() == direct.to_json()


def test_with_time_folds_no_row_is_scored_by_a_model_that_saw_it_or_anything_later():
    X, y = rows(600)
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            self.last_ = X[:, 0].max()
            return super().fit(X, y)

        def predict_proba(self, X):
            seen.append((self.last_, X[:, 0].min()))
            return super().predict_proba(X)

    X[:, 0] = np.arange(600)
    CalibratedClassifier(Spy(max_iter=2000), cv=TimeSeriesSplit(4)).fit(X, y)
    assert len(seen) == 4
    assert all(last < first for last, first in seen)


def test_labels_of_any_two_values_and_weights_go_through():
    X, y = rows()
    words = np.where(y == 1, "yes", "no")
    made = CalibratedClassifier().fit(X, words, sample_weight=np.where(y == 1, 3.0, 1.0))
    assert made.classes_.tolist() == ["no", "yes"]
    assert set(made.predict(X)) == {"no", "yes"}
    assert made.predict_proba(X)[:, 1].mean() > CalibratedClassifier().fit(X, y).predict_proba(X)[:, 1].mean()


def test_pipelines_searches_and_clones_take_it_for_one_of_their_own():
    X, y = rows(800)
    made = make_pipeline(
        StandardScaler(), CalibratedClassifier(LogisticRegression(), PlattCalibrator(), cv=3)
    )
    grid = {"calibratedclassifier__calibrator": [PlattCalibrator(), PlattCalibrator(ridge=50.0)]}
    found = GridSearchCV(clone(made), grid, cv=2, scoring="neg_log_loss").fit(X, y)
    assert isinstance(found.best_params_["calibratedclassifier__calibrator"], PlattCalibrator)
    nested = {"calibratedclassifier__calibrator__ridge": [0.1, 100.0]}
    assert GridSearchCV(made, nested, cv=2, scoring="neg_log_loss").fit(X, y).best_score_ < 0.0
    assert len(cross_val_score(made, X, y, cv=2, scoring="neg_brier_score")) == 2


@pytest.mark.parametrize(
    "last",
    [IsotonicCalibrator(), SamplingCorrection(0.5), Chain([PlattCalibrator(), DriftCorrector()])],
    ids=repr,
)
def test_a_calibrator_is_a_step_of_a_pipeline(last):
    rng = np.random.default_rng(0)
    z = rng.normal(-1.0, 1.0, 2_000)
    y = rng.random(2_000) < 1 / (1 + np.exp(-0.5 * z))
    steps = make_pipeline(FunctionTransformer(expit), PlattCalibrator(), last)
    found = steps.fit(z, y).transform(z)
    first = PlattCalibrator().fit(expit(z), y)
    assert np.array_equal(
        found, last.clone().fit(first.transform(expit(z)), y).transform(first.transform(expit(z)))
    )
    assert "PlattCalibrator" in steps._repr_html_()
    check_is_fitted(first)
    with pytest.raises(NotFittedError):
        check_is_fitted(PlattCalibrator())


def test_those_with_scores_alone_calibrate_them_in_a_data_frame_by_segment():
    rng = np.random.default_rng(0)
    n = 20_000
    frame = pd.DataFrame({"score": rng.uniform(0.02, 0.4, n), "surface": rng.choice(["home", "search"], n)})
    odds = frame["score"] / (1 - frame["score"]) * np.where(frame["surface"] == "search", 3.0, 1.0)
    y = rng.random(n) < odds / (1 + odds)
    chain = Chain([IsotonicCalibrator(), SegmentCalibrator("surface")])
    made = CalibratedClassifier(ScoreColumn("score"), chain).fit(frame, y)
    direct = chain.clone().fit(frame["score"], y, segment={"surface": frame["surface"].to_numpy()})
    assert made.calibrator_.to_json() == direct.to_json()
    p = made.predict_proba(frame)[:, 1]
    assert all(abs(row.pcoc - 1.0) < 0.03 for row in metrics.pcoc_by_group(p, y, frame["surface"].to_numpy()))
    with pytest.raises(CalibrationError, match=r"segment\.surface"):
        made.predict_proba(frame[["score"]])


def test_more_than_two_classes_or_one_are_refused():
    X, _ = rows(90)
    with pytest.raises(ValueError, match="binary"):
        CalibratedClassifier().fit(X, np.arange(90) % 3)
    with pytest.raises(ValueError, match="class"):
        CalibratedClassifier().fit(X, np.zeros(90))
