"""Progressive validation with label delay: learn from what had arrived, be judged once the window is over.

A split by time that trains on finished labels lets a model know, at the moment of the split, which of the
newest clicks will convert: labels from the future. Here the model of each step sees the clicks made until
then and the conversions known by then, predicts the clicks of the step, and is scored on those whose
attribution window has closed since (Blum, Kalai and Langford, COLT 1999, with the labels' delay).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError
from adsrank.training.delay.feedback import Feedback
from calibration import UndefinedMetric, metrics
from calibration.interval import Interval, Metric

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

Predict = Callable[[Int64], Float64]
"""P(conversion within the window | click) of rows, [k]."""

Learn = Callable[[Int64, Feedback], Predict]
"""From the rows of clicks made so far and what is known of them, a way to predict other rows."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How good the predictions were; None where the rows cannot say (no conversion, or no row)."""

    rows: int
    conversions: int
    normalized_entropy: Interval | None
    auc: Interval | None
    pcoc: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Counts, and (value, low, high) of each figure."""
        found: dict[str, Any] = {"rows": self.rows, "conversions": self.conversions}
        for name in ("normalized_entropy", "auc", "pcoc"):
            one: Interval | None = getattr(self, name)
            found[name] = None if one is None else [one.value, one.low, one.high]
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk: from `ago_s` before the end of the log, for as long as a step takes."""

    ago_s: float
    clicks: int
    """Made before the step: what the model learned from."""
    known: int
    """Their conversions known by then."""
    to_come: int
    """Their conversions that came later: what a naive model took for failures."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class Walk:
    """All steps, oldest first."""

    steps: list[Step]
    overall: Figures
    """Of the predictions of all steps together."""
    predictions: Float64
    """[n] of the clicks that were scored, NaN elsewhere."""

    def to_json(self) -> dict[str, Any]:
        """The steps and the whole, without the predictions."""
        steps = [
            {"ago_s": s.ago_s, "clicks": s.clicks, "known": s.known, "to_come": s.to_come}
            | s.figures.to_json()
            for s in self.steps
        ]
        return {"steps": steps, "overall": self.overall.to_json()}


def progressive(
    feedback: Feedback,
    learn: Learn,
    *,
    every_s: float,
    first_s: float,
    cluster: npt.NDArray[Any] | None = None,
    seed: int = 0,
    replicates: int = 200,
) -> Walk:
    """Walk forward through the clicks of a log.

    Parameters:
        feedback: of all clicks, as known at the end of the log; any order.
        learn: called once a step with rows of clicks made so far and what was known of them then; rows
            whose conversion was still to come have conversion 0.
        every_s: length of a step.
        first_s: when the first step begins, in seconds before the end of the log.
        cluster: [n] ids of what the bootstrap draws as a whole (users); default: clicks.
        replicates: of the bootstrap; 0 counts and predicts, and measures nothing.

    A step's clicks are scored if their window was over at the end of the log; the walk stops where no
    further click is.

    Raises:
        InputError: a step of no length, a first step that no finished click follows or no click precedes,
            or predictions that are no probabilities.
    """
    if not every_s > 0:
        raise InputError("every_s", every_s, "give seconds above 0")
    elapsed = feedback.elapsed_s
    if not (elapsed >= first_s).any() or first_s <= feedback.window_s:
        raise InputError(
            "first_s",
            first_s,
            f"give more than the window of {feedback.window_s:g} s, and less than the oldest click's age",
        )
    predictions = np.full(len(feedback), np.nan)
    steps = []
    for ago in np.arange(first_s, feedback.window_s, -every_s).tolist():
        past = np.flatnonzero(elapsed >= ago)
        now = np.flatnonzero((elapsed < ago) & (elapsed >= max(ago - every_s, feedback.window_s)))
        known = feedback.take(past).ago(ago)
        if len(now):
            predictions[now] = _probabilities(learn(past, known)(now), len(now))
        arrived = int(known.conversion.sum())
        to_come = int(feedback.conversion[past].sum()) - arrived
        figures = _figures(predictions, feedback, now, cluster, seed, replicates)
        steps.append(Step(ago, len(past), arrived, to_come, figures))
    scored = np.flatnonzero(~np.isnan(predictions))
    overall = _figures(predictions, feedback, scored, cluster, seed, replicates)
    return Walk(steps, overall, predictions)


def _probabilities(found: Float64, n: int) -> Float64:
    found = np.asarray(found, np.float64)
    if found.shape != (n,) or not ((found >= 0) & (found <= 1)).all():
        raise InputError("learn", f"predictions of shape {found.shape}", f"give {n} probabilities")
    return found


def _figures(
    predictions: Float64,
    feedback: Feedback,
    rows: Int64,
    cluster: npt.NDArray[Any] | None,
    seed: int,
    replicates: int,
) -> Figures:
    scores, labels = predictions[rows], feedback.conversion[rows]
    drawn = None if cluster is None else cluster[rows]

    def one(metric: Metric) -> Interval | None:
        if not replicates or not len(rows) or labels.min() == labels.max():
            return None
        try:
            return metrics.with_interval(
                metric, scores, labels, seed=seed, cluster=drawn, replicates=replicates
            )
        except UndefinedMetric:
            return None

    found = [one(metric) for metric in (metrics.normalized_entropy, metrics.auc, metrics.pcoc)]
    return Figures(len(rows), int(labels.sum()), *found)
