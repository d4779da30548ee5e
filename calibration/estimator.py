"""Calibrators as the last step of a scikit-learn model."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, column_or_1d, get_tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted, indexable

from calibration.base import Calibrator
from calibration.errors import CalibrationError
from calibration.logit import FloatArray, probability
from calibration.platt import PlattCalibrator

_LARGEST_MARGIN = 14.0


class CalibratedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A binary classifier whose probabilities went through one of this package's calibrators.

    It is used as scikit-learn's CalibratedClassifierCV: the estimator is fitted on each training part of
    `cv` and scores the other part; the calibrator learns from all these scores, none of which its own
    label had a part in; then the estimator is fitted again on all rows. A `TimeSeriesSplit` scores later
    rows only, as an ads log asks for. A `FrozenEstimator`, or a `ScoreColumn`, is not fitted at all: all
    rows of `fit` are then the calibrator's.

    estimator: a classifier with `predict_proba` or `decision_function` (default: logistic regression);
    calibrator: default `PlattCalibrator()`; cv: folds, a splitter, or an iterable of (train, test).

    A calibrator by segment reads its columns from X by name: X is then a data frame that has them.

    A margin is read as log-odds; where margins reach beyond 14 they are divided, so that the largest is 14:
    a sigmoid is flat from about 20 on.

    Learned: `estimator_`, `calibrator_`, `classes_`, `margin_scale_` (what margins are divided by, 1 or
    more). It is strictly increasing in the estimator's score, so that an AUC stays what it was.
    """

    def __init__(self, estimator: Any = None, calibrator: Calibrator | None = None, cv: Any = 5) -> None:
        self.estimator = estimator
        self.calibrator = calibrator
        self.cv = cv

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from rows X [n, features] with labels y [n] of two classes, the second being the event."""
        X, y = indexable(X, y)
        check_classification_targets(y)
        labels = column_or_1d(y, warn=True)
        kind = type_of_target(labels, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, code = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("a classifier needs labels of two classes; the data hold one class only")
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        estimator = LogisticRegression() if self.estimator is None else self.estimator
        calibrator = PlattCalibrator() if self.calibrator is None else self.calibrator
        said, scored = np.zeros(_num_samples(X)), np.zeros(_num_samples(X), dtype=np.bool_)
        for train, test in check_cv(self.cv, code, classifier=True).split(X, code):
            part = _fit(clone(estimator), X, labels, weight, train)
            said[test], scored[test] = _said(part, _safe_indexing(X, test)), True
        seen = np.flatnonzero(scored)
        self.estimator_ = _fit(clone(estimator), X, labels, weight, None)
        self.margin_scale_ = max(1.0, float(np.abs(said).max()) / _LARGEST_MARGIN)
        self.calibrator_ = calibrator.clone().fit(
            self._event_scores(said[seen]),
            code[seen],
            None if weight is None else weight[seen],
            segment=_segment(calibrator, _safe_indexing(X, seen)),
        )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities [n, 2] of the two classes, in the order of `classes_`."""
        check_is_fitted(self)
        scores = self._event_scores(_said(self.estimator_, X))
        p = self.calibrator_.transform(scores, segment=_segment(self.calibrator_, X))
        return np.column_stack((1.0 - p, p))

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each row."""
        likelier = (self.predict_proba(X)[:, 1] >= 0.5).astype(np.intp)
        found: NDArray[Any] = self.classes_[likelier]
        return found

    def _event_scores(self, said: FloatArray) -> FloatArray:
        """Probabilities [n] of the second class."""
        if hasattr(self.estimator_, "predict_proba"):
            return said
        return probability(said / self.margin_scale_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        if self.estimator is None or hasattr(self.estimator, "__sklearn_tags__"):
            inner = get_tags(LogisticRegression() if self.estimator is None else self.estimator)
            tags.input_tags.sparse = inner.input_tags.sparse
        return tags


def _fit(estimator: Any, X: Any, y: NDArray[Any], weight: FloatArray | None, rows: Any) -> Any:
    if rows is not None:
        X, y = _safe_indexing(X, rows), y[rows]
        weight = None if weight is None else weight[rows]
    return estimator.fit(X, y) if weight is None else estimator.fit(X, y, sample_weight=weight)


def _said(estimator: Any, X: Any) -> FloatArray:
    """Probabilities [n] of the second class, or margins."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)[:, 1]
    return np.asarray(estimator.decision_function(X), dtype=np.float64)


def _segment(calibrator: Calibrator, X: Any) -> dict[str, Any] | None:
    keys = calibrator.segment_keys()
    if not keys:
        return None
    for key in keys:
        if key not in getattr(X, "columns", ()):
            raise CalibrationError(f"segment.{key}", type(X).__name__, "a data frame X with this column")
    return {key: np.asarray(X[key]) for key in keys}
