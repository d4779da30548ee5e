"""How good probabilities are.

Every metric is called as metric(scores, labels, weight=None, exposure=None): scores [n] in [0, 1], labels
[n] of 0 or 1, weight [n] >= 0; with exposure [n] in (0, 1] the label happens with probability
exposure * score. None of them suffices alone: a constant has a perfect PCOC and ECE, and AUC does not see
the level. A metric without a value on the data raises `UndefinedMetric`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.errors import UndefinedMetric
from calibration.interval import Interval, error_interval, if_calibrated, with_interval
from calibration.logit import FloatArray
from calibration.reliability import Reliability, equal_mass_bins, reliability, tabulate
from calibration.sample import Sample, read_sample, read_segments, sum_by
from calibration.slices import GroupRatio, MarginBin, field_rce, pcoc_by_group, winners_curve

__all__ = [
    "GroupRatio",
    "Interval",
    "MarginBin",
    "Murphy",
    "Reliability",
    "auc",
    "ece",
    "error_interval",
    "field_rce",
    "grouped_auc",
    "if_calibrated",
    "log_loss",
    "murphy",
    "normalized_entropy",
    "pcoc",
    "pcoc_by_group",
    "reliability",
    "winners_curve",
    "with_interval",
]


def pcoc(
    scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None, exposure: ArrayLike | None = None
) -> float:
    """Predicted over observed: sum w x p / sum w y. Above 1 the model promises too much.

    >>> pcoc([0.5, 0.5, 0.5, 0.5], [1, 0, 0, 0])
    2.0
    """
    sample = read_sample(scores, labels, weight, exposure)
    observed = float(sample.weight @ sample.labels)
    if observed == 0.0:
        raise UndefinedMetric("labels", "no positive", "at least one, to divide by")
    return float(sample.weight @ (sample.exposure * sample.scores)) / observed


def log_loss(
    scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None, exposure: ArrayLike | None = None
) -> float:
    """Mean of -log Bernoulli(y; x p), in nats, by weight; x p is held inside [1e-15, 1 - 1e-15]."""
    sample = read_sample(scores, labels, weight, exposure)
    return _log_loss(sample, sample.scores)


def normalized_entropy(
    scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None, exposure: ArrayLike | None = None
) -> float:
    """Log loss over that of the base rate of these very data (He et al. 2014); below 1 is better than it.

    The base rate is sum w y / sum w x. Values of data sets of different base rates do not compare.
    """
    sample = read_sample(scores, labels, weight, exposure)
    seen = sample.weight > 0.0
    rate = float(sample.weight @ sample.labels) / float(sample.weight @ sample.exposure)
    if sample.labels[seen].min() == sample.labels[seen].max() or rate >= 1.0:
        raise UndefinedMetric("labels", "one class", "both classes: the base rate has no entropy")
    return _log_loss(sample, sample.scores) / _log_loss(sample, np.full_like(sample.scores, rate))


def _log_loss(sample: Sample, p: FloatArray) -> float:
    mu = np.clip(sample.exposure * p, 1e-15, 1.0 - 1e-15)
    loss = -np.where(sample.labels > 0.0, np.log(mu), np.log1p(-mu))
    return float(sample.weight @ loss) / float(sample.weight.sum())


def auc(scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Probability that a positive, drawn by weight, scores above a negative; a tie counts one half.

    There is no exposure here: which of the rows without a click were examined is not known.
    """
    sample = read_sample(scores, labels, weight)
    value, _ = _auc_by_group(sample, np.zeros(len(sample.scores), dtype=np.intp), 1)
    if np.isnan(value[0]):
        raise UndefinedMetric("labels", "one class", "both classes")
    return float(value[0])


def grouped_auc(
    scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None, *, group: ArrayLike
) -> float:
    """Mean of the AUC within each group (user), by the group's weight (gAUC; Zhu et al. 2018).

    group: [n] ids, int or str. Groups of one class have no order to get right and are left out.
    """
    sample = read_sample(scores, labels, weight)
    ids, code = np.unique(read_segments({"group": group}, len(sample.scores))["group"], return_inverse=True)
    value, mass = _auc_by_group(sample, code, len(ids))
    defined = ~np.isnan(value)
    if not defined.any():
        raise UndefinedMetric("group", "all of one class", "a group with both classes")
    return float(value[defined] @ mass[defined]) / float(mass[defined].sum())


def _auc_by_group(sample: Sample, code: NDArray[np.intp], count: int) -> tuple[FloatArray, FloatArray]:
    """AUC (nan where undefined) and weight of each group [count]."""
    order = np.lexsort((sample.scores, code))
    p, group = sample.scores[order], code[order]
    positive = (sample.weight * sample.labels)[order]
    negative = (sample.weight * (1.0 - sample.labels))[order]
    first = np.concatenate(([0], np.flatnonzero((np.diff(p) != 0.0) | (np.diff(group) != 0)) + 1))
    positive, negative = np.add.reduceat(positive, first), np.add.reduceat(negative, first)
    group = group[first]
    positives = sum_by(group, positive, count)
    negatives = sum_by(group, negative, count)
    below = np.cumsum(negative) - negative - (np.cumsum(negatives) - negatives)[group]
    won = sum_by(group, positive * (below + 0.5 * negative), count)
    pairs = positives * negatives
    value = np.divide(won, pairs, out=np.full(count, np.nan), where=pairs > 0.0)
    return value, positives + negatives


def ece(
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    bins: int = 15,
) -> float:
    """Mean over bins of equal mass of |mean score - observed rate| (expected calibration error).

    Bins of equal width would put nearly all rows of rare labels into one.
    """
    table = reliability(scores, labels, weight, exposure, bins)
    return float(table.mass @ np.abs(table.predicted - table.observed)) / float(table.mass.sum())


@dataclass(frozen=True, slots=True)
class Murphy:
    """brier = reliability - resolution + uncertainty + within.

    reliability: how far the bins' rates are from what was said (0 is best); resolution: how far from each
    other; uncertainty: of the base rate; within: what the binning hides (0 if a bin holds one score).
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def murphy(scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None, bins: int = 15) -> Murphy:
    """The Brier score taken apart (Murphy 1973; the terms within bins from Stephenson et al. 2008)."""
    sample = read_sample(scores, labels, weight)
    w, p, y = sample.weight, sample.scores, sample.labels
    total = float(w.sum())
    rate = min(float(w @ y) / total, 1.0)  # a product and a sum may round apart
    code = equal_mass_bins(p, w, bins)
    table = tabulate(sample, w, code)
    place = np.searchsorted(np.unique(code[w > 0.0]), code)
    place = np.minimum(place, len(table.mass) - 1)  # rows of no weight may fall past the last bin
    said, seen = p - table.predicted[place], y - table.observed[place]
    return Murphy(
        brier=float(w @ (p - y) ** 2) / total,
        reliability=float(table.mass @ (table.predicted - table.observed) ** 2) / total,
        resolution=float(table.mass @ (table.observed - rate) ** 2) / total,
        uncertainty=rate * (1.0 - rate),
        within=float(w @ (said * said - 2.0 * said * seen)) / total,
    )
