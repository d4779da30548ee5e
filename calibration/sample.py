"""The validated columns that a calibrator is fitted on and a metric is taken of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.errors import CalibrationError, require
from calibration.logit import LOGIT_HIGH, LOGIT_LOW, FloatArray
from calibration.number import is_whole

IdArray = NDArray[np.int64] | NDArray[np.str_]
Segments = Mapping[str, ArrayLike]
"""Columns of segment ids (int or str) by the name of the column, such as ``{"surface": [...]}``."""

MAX_ID_LENGTH = 256
_NEGLIGIBLE = 1e-12
"""Smaller weights count as 0 and smaller exposures are refused: their products would underflow."""
_NO_NUMBERS = ("c", "m", "M")


@dataclass(frozen=True, slots=True)
class Sample:
    """Columns of equal length n.

    scores: probabilities in [0, 1] or, in a fit, log-odds; labels: 0 or 1; weight: >= 0;
    exposure: x in (0, 1], the label happens with probability x * p; segment: ids by column name.
    """

    scores: FloatArray
    labels: FloatArray
    weight: FloatArray
    exposure: FloatArray
    segment: Mapping[str, IdArray]

    @property
    def one_class(self) -> bool:
        """Whether all labels are the same."""
        return bool(self.labels.min() == self.labels.max())

    def with_scores(self, scores: FloatArray) -> "Sample":
        """The same rows under other scores."""
        return Sample(scores, self.labels, self.weight, self.exposure, self.segment)

    def take(self, rows: slice | NDArray[np.intp]) -> "Sample":
        """Some of the rows, in the order asked for."""
        return Sample(
            self.scores[rows],
            self.labels[rows],
            self.weight[rows],
            self.exposure[rows],
            {key: ids[rows] for key, ids in self.segment.items()},
        )

    def in_order(self) -> "Sample":
        """The rows of positive weight, in an order that does not depend on the order they came in.

        Float sums depend on order: this is what makes a fit the same to the bit for any permutation.
        """
        order = np.lexsort((self.exposure, self.weight, self.labels, self.scores))
        return self.take(order[self.weight[order] > 0.0])


def read_sample(
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    segment: Segments | None = None,
) -> Sample:
    """Check the columns and bring them to float64; raises `CalibrationError` naming the first bad value."""
    p = read_scores(scores)
    n = len(p)
    require(n > 0, "scores", "no rows", "at least one row")
    y = _column("labels", labels, n)
    _each("labels", y, (y == 0.0) | (y == 1.0), "0 or 1")
    w = np.ones(n) if weight is None else _column("weight", weight, n)
    _each("weight", w, (w >= 0.0) & (w <= 1e15), "a finite number >= 0")
    w = np.where(w < _NEGLIGIBLE, 0.0, w)
    require(bool(w.any()), "weight", "all zero", f"at least one weight of {_NEGLIGIBLE:g} or more")
    x = np.ones(n) if exposure is None else _column("exposure", exposure, n)
    _each("exposure", x, (x >= _NEGLIGIBLE) & (x <= 1.0), "a number in (0, 1], at least 1e-12")
    return Sample(p, y, w, x, read_segments(segment, n))


def read_scores(scores: ArrayLike, field: str = "scores", n: int | None = None) -> FloatArray:
    """A column of probabilities in [0, 1] (n of them, if given) as contiguous float64."""
    p = _column(field, scores, n)
    _each(field, p, (p >= 0.0) & (p <= 1.0), "a probability in [0, 1]")
    return p


def read_logits(logits: ArrayLike) -> FloatArray:
    """A column of log-odds as contiguous float64, held inside the range of the scores."""
    z = _column("logits", logits, None)
    _each("logits", z, ~np.isnan(z), "a number")
    return np.clip(z, LOGIT_LOW, LOGIT_HIGH)


def read_segments(segment: Segments | None, n: int) -> dict[str, IdArray]:
    """Columns of n ids each, int64 or str; a float id is refused (it loses digits above 2**53)."""
    if segment is None:
        return {}
    require(isinstance(segment, Mapping), "segment", segment, "a mapping of column name to ids")
    return {key: _ids(f"segment.{key}", column, n) for key, column in segment.items()}


def sum_by(code: NDArray[np.intp], values: FloatArray, count: int) -> FloatArray:
    """Sums [count] of `values` [n] by their `code` [n], each added in row order."""
    sums: FloatArray = np.bincount(code, values, count).astype(np.float64, copy=False)
    return sums


def _column(field: str, values: ArrayLike, n: int | None) -> FloatArray:
    try:
        if isinstance(values, np.ma.MaskedArray):  # what is masked is missing, whatever stands behind it
            values = np.ma.filled(values.astype(np.float64), np.nan)
        if getattr(getattr(values, "dtype", None), "kind", None) in _NO_NUMBERS:
            raise TypeError("times and complex numbers would be cast")
        column = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # a tensor with its gradient
        raise CalibrationError(field, values, "a column of numbers") from error
    if np.ndim(values) != 1:  # ascontiguousarray turns a scalar into one row
        raise CalibrationError(field, f"{np.ndim(values)} dimensions", "one dimension")
    if n is not None and len(column) != n:
        raise CalibrationError(field, f"{len(column)} rows", f"{n} rows, as many as there are scores")
    return column


def _each(field: str, column: FloatArray, good: NDArray[np.bool_], fix: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise CalibrationError(f"{field}[{row}]", float(column[row]), fix)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_ID_LENGTH


def _ids(field: str, values: ArrayLike, n: int) -> IdArray:
    column = np.asarray(values)
    require(column.ndim == 1, field, f"{column.ndim} dimensions", "one dimension")
    require(len(column) == n, field, f"{len(column)} rows", f"{n} rows, as many as there are scores")
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    if column.dtype.kind == "O":
        kind = is_whole if is_whole(column[0]) else _is_name
        for row, value in enumerate(column.tolist()):
            if not kind(value):
                fix = f"ids all int64, or all str of at most {MAX_ID_LENGTH} characters"
                raise CalibrationError(f"{field}[{row}]", value, fix)
        column = column.astype(np.str_) if kind is _is_name else np.array(column.tolist())
    if column.dtype.kind == "U":
        require(
            column.dtype.itemsize <= 4 * MAX_ID_LENGTH, field, "an id too long", f"{MAX_ID_LENGTH} characters"
        )
        return column
    if column.dtype.kind in "iu" and (column.dtype != np.uint64 or int(column.max()) < 2**63):
        return column.astype(np.int64)
    raise CalibrationError(field, str(column.dtype), "ids of type int64 or str")
