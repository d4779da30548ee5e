"""Scores at hand, as a scikit-learn classifier."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import _safe_indexing

from calibration.logit import FloatArray


class ScoreColumn(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A column of X read as the score: for those who have scores and labels and no model at hand.

    `CalibratedClassifier(ScoreColumn("score"), IsotonicCalibrator())` calibrates them inside any tool of
    scikit-learn. column: a name (X a data frame) or a number.
    """

    def __init__(self, column: str | int = 0) -> None:
        self.column = column

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Note the two classes; there is nothing else to learn."""
        self.classes_ = np.unique(np.asarray(y))
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities [n, 2] as they stand in the column."""
        column = X[self.column] if isinstance(self.column, str) else _safe_indexing(X, self.column, axis=1)
        p = np.asarray(column, dtype=np.float64)
        return np.column_stack((1.0 - p, p))

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class of each row."""
        found: NDArray[Any] = self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(np.intp)]
        return found
