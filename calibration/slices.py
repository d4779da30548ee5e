"""PCOC by slices of the data: by margin of victory, by advertiser."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibration.errors import CalibrationError, require
from calibration.reliability import equal_mass_bins
from calibration.sample import read_sample, read_segments, sum_by


@dataclass(frozen=True, slots=True)
class MarginBin:
    """Winners whose margin lies in low..high: how many, positives predicted and seen, their ratio.

    `pcoc` is None where no positive was seen.
    """

    low: float
    high: float
    rows: int
    predicted: float
    observed: float
    pcoc: float | None


@dataclass(frozen=True, slots=True)
class GroupRatio:
    """One group's rows, positives predicted and seen, and their ratio (None without positives)."""

    group: int | str
    rows: int
    predicted: float
    observed: float
    pcoc: float | None


def winners_curve(
    scores: ArrayLike,
    labels: ArrayLike,
    margin: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    bins: int = 5,
) -> list[MarginBin]:
    """PCOC of auction winners by margin of victory, in bins of equal mass.

    margin: [n] >= 0, by how much the winner's value exceeds what it had to beat, in any one unit. An
    auction picks errors in its own favour (the winner's curse): a model calibrated on all candidates
    is over-predicted on winners, and what is left of a bias with the margin shows here.
    """
    sample = read_sample(scores, labels, weight, exposure)
    gap = np.ascontiguousarray(margin, dtype=np.float64)
    if gap.shape != sample.scores.shape:
        raise CalibrationError("margin", f"shape {gap.shape}", f"{len(sample.scores)} rows")
    good = np.isfinite(gap) & (gap >= 0.0)
    if not good.all():
        row = int(np.argmin(good))
        raise CalibrationError(f"margin[{row}]", float(gap[row]), "a finite number >= 0: winners only")
    mass = sample.weight * sample.exposure
    code = equal_mass_bins(gap, mass, bins)
    curve = []
    for k in np.unique(code[mass > 0.0]).tolist():
        rows = (code == k) & (mass > 0.0)
        predicted = float((mass * sample.scores)[rows].sum())
        observed = float((sample.weight * sample.labels)[rows].sum())
        low, high = float(gap[rows].min()), float(gap[rows].max())
        curve.append(MarginBin(low, high, int(rows.sum()), predicted, observed, _ratio(predicted, observed)))
    return curve


def pcoc_by_group(
    scores: ArrayLike,
    labels: ArrayLike,
    group: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    min_observed: float = 0.0,
) -> list[GroupRatio]:
    """PCOC per group (advertiser, surface), by id; groups of fewer observed positives are left out.

    group: [n] ids, int or str.
    """
    require(min_observed >= 0.0, "min_observed", min_observed, "a number >= 0")
    sample = read_sample(scores, labels, weight, exposure)
    column = read_segments({"group": group}, len(sample.scores))["group"]
    ids, code = np.unique(column, return_inverse=True)
    mass = sample.weight * sample.exposure
    rows = np.bincount(code, minlength=len(ids)).tolist()
    predicted = sum_by(code, mass * sample.scores, len(ids)).tolist()
    observed = sum_by(code, sample.weight * sample.labels, len(ids)).tolist()
    return [
        GroupRatio(one, n, said, seen, _ratio(said, seen))
        for one, n, said, seen in zip(ids.tolist(), rows, predicted, observed, strict=True)
        if seen >= min_observed
    ]


def _ratio(predicted: float, observed: float) -> float | None:
    return predicted / observed if observed > 0.0 else None
