"""Everything that scores and labels say of a calibration, with intervals."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibration import metrics
from calibration.errors import UndefinedMetric
from calibration.interval import Interval, Metric, if_calibrated, with_interval
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
    tasks: list[tuple[str, Metric, bool, dict[str, Any]]] = [
        ("pcoc", metrics.pcoc, True, {}),
        ("log_loss", metrics.log_loss, True, {}),
        ("normalized_entropy", metrics.normalized_entropy, True, {}),
        ("auc", metrics.auc, False, {}),
        ("ece", metrics.ece, True, {"bins": bins, "reflect": True}),
        *((f"murphy.{term}", partial(_murphy, term), False, {"bins": bins}) for term in _TERMS),
        *(
            (f"field_rce.{key}", field_rce, True, {"field": ids, "reflect": True})
            for key, ids in sample.segment.items()
        ),
    ]
    figures: dict[str, Interval | None] = {}
    chance: dict[str, Interval] = {}
    for done, (name, metric, takes_exposure, options) in enumerate(tasks):
        seen = placed if takes_exposure else None
        try:
            figures[name] = with_interval(
                metric, sample.scores, sample.labels, sample.weight, seen, cluster=cluster, **drawn, **options
            )
            if options.pop("reflect", False):
                chance[name] = if_calibrated(metric, sample.scores, sample.weight, seen, **drawn, **options)
        except UndefinedMetric:
            figures[name] = None
        if progress is not None:
            progress(done + 1, len(tasks))
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
    term: str, scores: ArrayLike, labels: ArrayLike, weight: ArrayLike | None = None, bins: int = 15
) -> float:
    return float(getattr(metrics.murphy(scores, labels, weight, bins), term))
