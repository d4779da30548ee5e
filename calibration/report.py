"""Everything that scores and labels say of a calibration, with intervals."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibration import metrics
from calibration.errors import UndefinedMetric
from calibration.interval import Interval, Metric, error_interval, with_interval
from calibration.reliability import Reliability, reliability
from calibration.sample import Segments, read_sample
from calibration.slices import GroupRatio, MarginBin, field_rce, pcoc_by_group, winners_curve

Progress = Callable[[int, int], None]
"""Called as progress(done, total), in metrics."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `report` found.

    figures: each metric with its interval, None where the data do not define it (an AUC of one class);
    chance: what `ece` and each `field_rce.NAME` would be if every score were right; groups: PCOC by the
    values of each segment column; winners: PCOC by margin, None without a margin.
    """

    rows: int
    positives: float
    figures: dict[str, Interval | None]
    chance: dict[str, Interval]
    reliability: Reliability
    groups: dict[str, list[GroupRatio]]
    winners: list[MarginBin] | None

    def to_json(self) -> dict[str, Any]:
        """Plain data; the columns of the reliability table are lists."""
        found = asdict(self)
        found["reliability"] = {name: column.tolist() for name, column in found["reliability"].items()}
        return found


def report(
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    segment: Segments | None = None,
    margin: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    bins: int = 15,
    seed: int = 0,
    replicates: int = 200,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Report:
    """PCOC, log loss, normalized entropy, AUC, ECE, Murphy's terms, field-RCE, by group and by margin.

    scores, labels, weight, exposure, cluster: as in `metrics.with_interval`; segment: columns of ids by
    name, one field-RCE and one table of groups each; margin: [n] >= 0, the winners' margin of victory.
    The metrics that know no exposure (AUC, Murphy) judge the scores against the labels as they are.
    Raises `CalibrationError`.
    """
    sample = read_sample(scores, labels, weight, exposure, segment)
    drawn: dict[str, Any] = {"seed": seed, "replicates": replicates, "level": level}
    placed = None if exposure is None else sample.exposure
    whole: dict[str, tuple[Metric, bool]] = {
        "pcoc": (metrics.pcoc, True),
        "log_loss": (metrics.log_loss, True),
        "normalized_entropy": (metrics.normalized_entropy, True),
        "auc": (metrics.auc, False),
        **{f"murphy.{term}": (partial(_murphy, term, bins), False) for term in _TERMS},
    }
    absolute: dict[str, Metric] = {
        "ece": partial(metrics.ece, bins=bins),
        **{f"field_rce.{key}": partial(field_rce, field=ids) for key, ids in sample.segment.items()},
    }
    columns = sample.scores, sample.labels, sample.weight
    figures: dict[str, Interval | None] = {}
    chance: dict[str, Interval] = {}
    for name in (*whole, *absolute):
        try:
            if name in whole:
                metric, takes_exposure = whole[name]
                seen = placed if takes_exposure else None
                figures[name] = with_interval(metric, *columns, seen, cluster=cluster, **drawn)
            else:
                figures[name], chance[name] = error_interval(
                    absolute[name], *columns, placed, cluster=cluster, **drawn
                )
        except UndefinedMetric:
            figures[name] = None
        if progress is not None:
            progress(len(figures), len(whole) + len(absolute))
    return Report(
        rows=len(sample.scores),
        positives=float(sample.weight @ sample.labels),
        figures=figures,
        chance=chance,
        reliability=reliability(sample.scores, sample.labels, sample.weight, sample.exposure, bins),
        groups={
            key: pcoc_by_group(sample.scores, sample.labels, ids, sample.weight, sample.exposure)
            for key, ids in sample.segment.items()
        },
        winners=None
        if margin is None
        else winners_curve(sample.scores, sample.labels, np.asarray(margin), sample.weight, sample.exposure),
    )


_TERMS = ("brier", "reliability", "resolution", "uncertainty")


def _murphy(
    term: str, bins: int, scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None
) -> float:
    return float(getattr(metrics.murphy(scores, labels, weight, bins), term))
