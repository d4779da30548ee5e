"""A metric with its uncertainty, and what chance alone would make of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibration.errors import UndefinedMetric, require
from calibration.number import is_number, is_whole
from calibration.sample import read_sample, read_scores, read_segments

Metric = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Interval:
    """The metric on the data, and low..high that hold the middle `level` of its bootstrap replicates.

    `undefined` replicates (a resample of one class, for an AUC) are left out of the quantiles.
    """

    value: float
    low: float
    high: float
    level: float
    replicates: int
    undefined: int

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def with_interval(
    metric: Metric,
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    seed: int | np.random.Generator,
    cluster: ArrayLike | None = None,
    replicates: int = 200,
    level: float = 0.95,
    **options: Any,
) -> Interval:
    """metric(scores, labels, weight[, exposure], **options) with a bootstrap interval (Efron 1979).

    cluster: [n] ids, int or str, of what is drawn as a whole: rows of one user or advertiser are not
    independent, and an interval that takes them so is too narrow. Default: rows. `exposure` is passed on
    only where it is given, as a metric may not take it.

    The interval is the replicates' quantiles. Of a sum of absolute errors (`ece`, `field_rce`) it would
    miss the truth on the high side: resampling puts noise on top of the data's own. Use `error_interval`.
    """
    _check(replicates, level)
    sample = read_sample(scores, labels, weight, exposure)
    n = len(sample.scores)
    if exposure is not None:
        options = {**options, "exposure": sample.exposure}
    value = metric(sample.scores, sample.labels, sample.weight, **options)
    if cluster is None:
        code, count = np.arange(n), n
    else:
        ids, code = np.unique(read_segments({"cluster": cluster}, n)["cluster"], return_inverse=True)
        count = len(ids)
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(replicates):
        # Drawing rows with replacement is weighting each by how often it was drawn.
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        resampled = sample.weight * drawn[code]
        if not resampled.any():
            continue
        try:
            found.append(metric(sample.scores, sample.labels, resampled, **options))
        except UndefinedMetric:
            continue
    if len(found) < 0.5 * replicates:
        raise UndefinedMetric(
            "replicates", f"{len(found)} of {replicates} defined", "more positives or clusters"
        )
    low, high = np.quantile(found, [0.5 - 0.5 * level, 0.5 + 0.5 * level]).tolist()
    return Interval(value, low, high, level, replicates, replicates - len(found))


def error_interval(
    metric: Metric,
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    seed: int | np.random.Generator,
    cluster: ArrayLike | None = None,
    replicates: int = 200,
    level: float = 0.95,
    **options: Any,
) -> tuple[Interval, Interval]:
    """The interval of a sum of absolute errors (`ece`, `field_rce`), and what chance alone would show.

    Columns and options as in `with_interval`. Such a sum is too large by its noise, most where there is no
    error at all. So the interval is value -+ (upper quantile of the replicates - value), which errs on the
    wide side, and it begins at 0 where right scores would show as much (the second interval, that of
    `if_calibrated`, reaches the value).
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {"seed": rng, "replicates": replicates, "level": level, **options}
    found = with_interval(metric, scores, labels, weight, exposure, cluster=cluster, **drawn)
    chance = if_calibrated(metric, scores, weight, exposure, **drawn)
    nothing = found.value <= chance.high
    low = 0.0 if nothing else max(0.0, 2.0 * found.value - found.high)
    return replace(found, low=low, high=max(found.high, found.value)), chance


def if_calibrated(
    metric: Metric,
    scores: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    seed: int | np.random.Generator,
    replicates: int = 200,
    level: float = 0.95,
    **options: Any,
) -> Interval:
    """What the metric would show on as many rows if every score were exactly right.

    Labels are drawn from the scores themselves (consistency resampling: Broecker and Smith 2007). The
    value is the mean of the replicates. An ECE inside the interval is nothing but noise.
    """
    _check(replicates, level)
    p = read_scores(scores)
    sample = read_sample(p, np.zeros(len(p)), weight, exposure)
    if exposure is not None:
        options = {**options, "exposure": sample.exposure}
    rng = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(replicates):
        labels = rng.random(len(p)) < sample.exposure * p
        try:
            found.append(metric(p, labels, sample.weight, **options))
        except UndefinedMetric:
            continue
    if len(found) < 0.5 * replicates:
        raise UndefinedMetric("replicates", f"{len(found)} of {replicates} defined", "higher scores or more")
    low, high = np.quantile(found, [0.5 - 0.5 * level, 0.5 + 0.5 * level]).tolist()
    return Interval(float(np.mean(found)), low, high, level, replicates, replicates - len(found))


def _check(replicates: int, level: float) -> None:
    require(is_whole(replicates) and replicates >= 20, "replicates", replicates, "a whole number >= 20")
    require(is_number(level) and 0.0 < level < 1.0, "level", level, "a number in (0, 1)")
