"""How good a model is on later rows, a head."""

from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.models.exposure import ExposureCurve
from adsrank.models.held_out import HeldOut
from adsrank.models.probabilities import JOINT, Probabilities
from adsrank.training.calibrate import speaks
from adsrank.training.labels import Labels
from calibration import CalibrationError, metrics

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def evaluate(
    raw: dict[str, Float64], probabilities: Probabilities, labels: Labels, exposure: ExposureCurve
) -> dict[str, dict[str, Any]]:
    """A head's figures: rows, positives, auc, normalized_entropy, pcoc, pcoc_low, pcoc_high; and, before
    calibration, normalized_entropy_raw and pcoc_raw.

    `auc` orders by p alone, as the auction does; normalized entropy and PCOC (predicted over observed)
    judge e g p against what was observed. Normalized entropy is relative to the base rate of these
    rows. Low and high hold 95 % of PCOC's bootstrap replicates, requests (rows of one moment) drawn as a
    whole. A figure that the rows cannot give (no positives) is None.
    """
    seen = labels.exposure(exposure)
    calibrated = probabilities.transform(raw)
    plain = dict(raw)
    if "conversion_given_click" in raw:
        plain[JOINT] = raw["click"] * raw["conversion_given_click"]
    report = {}
    for head, scores in plain.items():
        rows, placed = speaks(head, labels)
        label = labels.of(head)[rows]
        share = seen[rows] if placed else np.ones(int(rows.sum()))
        before, after = scores[rows] * share, calibrated[f"p_{head}"][rows]
        low, high = _interval(after * share, label, labels.time[rows])
        report[head] = {
            "rows": int(rows.sum()),
            "positives": int(label.sum()),
            "auc": _or_none(metrics.auc, after, label),
            "normalized_entropy": _or_none(metrics.normalized_entropy, after * share, label),
            "normalized_entropy_raw": _or_none(metrics.normalized_entropy, before, label),
            "pcoc_raw": _or_none(metrics.pcoc, before, label),
            "pcoc": _or_none(metrics.pcoc, after * share, label),
            "pcoc_low": low,
            "pcoc_high": high,
        }
    return report


def _or_none(metric: Any, scores: Float64, labels: Float64) -> float | None:
    if not len(labels) or labels.min() == labels.max():
        return None
    try:
        return float(metric(scores, labels))
    except CalibrationError:
        return None


def held_out(figures: dict[str, dict[str, Any]]) -> dict[str, HeldOut]:
    """What a bundle's manifest keeps of `evaluate`'s figures."""
    return {
        head: HeldOut(
            rows=found["rows"],
            positives=found["positives"],
            pcoc=found["pcoc"],
            low=found["pcoc_low"],
            high=found["pcoc_high"],
            normalized_entropy=found["normalized_entropy"],
            auc=found["auc"],
        )
        for head, found in figures.items()
    }


def _interval(scores: Float64, labels: Float64, moment: Int64) -> tuple[float | None, float | None]:
    try:
        found = metrics.with_interval(metrics.pcoc, scores, labels, seed=0, cluster=moment)
    except CalibrationError:
        return None, None
    return found.low, found.high
