"""Predicted and observed rates by bins of equal mass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.errors import require
from calibration.logit import FloatArray
from calibration.number import is_whole
from calibration.sample import Sample, read_sample, sum_by


@dataclass(frozen=True, slots=True)
class Reliability:
    """Columns [bins], from low to high scores; bins without rows are left out.

    low, high: the scores at the bin's ends; mass: sum of weight * exposure; count: so many rows, each seen
    for certain and weighing the same, tell as much (Kish 1965); positives: sum of weight * label; predicted:
    mean score by mass; observed: positives / mass.
    """

    low: FloatArray
    high: FloatArray
    mass: FloatArray
    count: FloatArray
    positives: FloatArray
    predicted: FloatArray
    observed: FloatArray


def reliability(
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    bins: int = 15,
) -> Reliability:
    """The table behind ECE, the plot and Murphy's decomposition; equal scores share a bin."""
    sample = read_sample(scores, labels, weight, exposure)
    mass = sample.weight * sample.exposure
    code = equal_mass_bins(sample.scores, mass, bins)
    return tabulate(sample, mass, code)


def tabulate(sample: Sample, mass: FloatArray, code: NDArray[np.intp]) -> Reliability:
    """The table of rows whose bin is `code` [n]."""
    seen = mass > 0.0
    p, code = sample.scores[seen], code[seen]
    found, code = np.unique(code, return_inverse=True)
    k = len(found)
    low, high = np.full(k, np.inf), np.full(k, -np.inf)
    np.minimum.at(low, code, p)
    np.maximum.at(high, code, p)
    total = sum_by(code, mass[seen], k)
    count = total**2 / sum_by(code, (sample.weight * mass)[seen], k)
    positives = sum_by(code, (sample.weight * sample.labels)[seen], k)
    predicted = sum_by(code, mass[seen] * p, k) / total
    return Reliability(low, high, total, count, positives, predicted, positives / total)


def equal_mass_bins(values: FloatArray, mass: FloatArray, bins: int) -> NDArray[np.intp]:
    """Bin of each row, 0 to bins - 1, by the quantile of `values` under `mass`; equal values together."""
    require(is_whole(bins) and 1 <= bins <= 10_000, "bins", bins, "a whole number from 1 to 10000")
    distinct, code = np.unique(values, return_inverse=True)
    each = sum_by(code, mass, len(distinct))
    middle = np.cumsum(each) - 0.5 * each
    place = np.floor(middle * (bins / float(each.sum()))).astype(np.intp)
    return np.clip(place, 0, bins - 1)[code]
