"""PCOC by slices of the data: by margin of victory, by advertiser, and what the fields' errors add up to."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from calibration.errors import CalibrationError, require
from calibration.logit import FloatArray
from calibration.number import is_number
from calibration.reliability import equal_mass_bins
from calibration.sample import Sample, read_sample, read_segments, sum_by


@dataclass(frozen=True, slots=True)
class MarginBin:
    """Winners whose margin lies in low..high: how many, positives predicted and seen, their ratio.

    `pcoc` is None where no positive was seen; `pcoc_low`..`pcoc_high` is its 95 % interval (see
    `pcoc_by_group`).
    """

    low: float
    high: float
    rows: int
    predicted: float
    observed: float
    pcoc: float | None
    pcoc_low: float
    pcoc_high: float | None


@dataclass(frozen=True, slots=True)
class GroupRatio:
    """One group's rows, positives predicted and seen, and their ratio (None without positives).

    `pcoc_low`..`pcoc_high` is the ratio's 95 % interval; without positives it has no upper end (None).
    """

    group: int | str
    rows: int
    predicted: float
    observed: float
    pcoc: float | None
    pcoc_low: float
    pcoc_high: float | None


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
    found, code = np.unique(equal_mass_bins(gap, mass, bins), return_inverse=True)
    sums = _sums(sample, code, len(found))
    curve = []
    for k in np.flatnonzero(sums.mass > 0.0).tolist():
        rows = (code == k) & (mass > 0.0)
        ratio = sums.ratio(k)
        low, high = float(gap[rows].min()), float(gap[rows].max())
        curve.append(MarginBin(low, high, int(rows.sum()), sums.predicted[k], sums.observed[k], *ratio))
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

    group: [n] ids, int or str. Each ratio's 95 % interval takes the predictions as given and the positives
    as a Poisson count (Garwood 1936; under weights scaled to the same variance, after Fay and Feuer 1997).
    """
    require(is_number(min_observed) and min_observed >= 0.0, "min_observed", min_observed, "a number >= 0")
    sample = read_sample(scores, labels, weight, exposure)
    ids, code = _groups(group, len(sample.scores), "group")
    sums = _sums(sample, code, len(ids))
    rows = np.bincount(code[sample.weight > 0.0], minlength=len(ids)).tolist()
    return [
        GroupRatio(one, rows[k], sums.predicted[k], sums.observed[k], *sums.ratio(k))
        for k, one in enumerate(ids)
        if sums.observed[k] >= min_observed and sums.mass[k] > 0.0
    ]


def field_rce(
    scores: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    field: ArrayLike,
    epsilon: float = 0.01,
) -> float:
    """Field-level relative calibration error (Pan et al. 2020), 0 is best.

    Mean over rows of the relative error of the row's group, that is

        sum_z N_z |sum_z (y - p)| / sum_z (y + epsilon)  /  sum_z N_z

    over the values z of a field (advertiser, surface); epsilon keeps a group without positives finite.
    Errors of groups do not cancel, as they do in PCOC. Noise does not either: with k positives a group
    of perfect scores still shows about 0.8 / sqrt(k).

    field: [n] ids, int or str.
    """
    require(is_number(epsilon) and 0.0 < epsilon <= 1.0, "epsilon", epsilon, "a number in (0, 1]")
    sample = read_sample(scores, labels, weight, exposure)
    ids, code = _groups(field, len(sample.scores), "field")
    sums = _sums(sample, code, len(ids))
    mass, observed = np.array(sums.mass), np.array(sums.observed)
    off = np.abs(observed - np.array(sums.predicted))
    relative = np.divide(off, observed + epsilon * mass, out=np.zeros_like(off), where=mass > 0.0)
    return float(mass @ relative) / float(mass.sum())


class _Sums(NamedTuple):
    """Lists [k] by group: mass, positives predicted and seen, and the second moments of their weights."""

    mass: FloatArray
    predicted: list[float]
    observed: list[float]
    squares: list[float]
    expected_squares: list[float]

    def ratio(self, k: int) -> tuple[float | None, float, float | None]:
        """PCOC of group k, and its 95 % interval."""
        predicted, observed = self.predicted[k], self.observed[k]
        # The weight of a typical positive: what a count of one is worth.
        squares, total = (
            (self.squares[k], observed) if observed > 0.0 else (self.expected_squares[k], predicted)
        )
        unit = squares / total if total > 0.0 else 1.0
        count = observed / unit
        most = 0.5 * float(chi2.ppf(0.975, 2.0 * count + 2.0)) * unit
        if observed <= 0.0:
            return None, predicted / most, None
        least = 0.5 * float(chi2.ppf(0.025, 2.0 * count)) * unit
        return predicted / observed, predicted / most, predicted / least


def _sums(sample: Sample, code: NDArray[np.intp], count: int) -> _Sums:
    w, said = sample.weight, sample.exposure * sample.scores
    return _Sums(
        sum_by(code, w * sample.exposure, count),
        sum_by(code, w * said, count).tolist(),
        sum_by(code, w * sample.labels, count).tolist(),
        sum_by(code, w * w * sample.labels, count).tolist(),
        sum_by(code, w * w * said, count).tolist(),
    )


def _groups(values: ArrayLike, n: int, name: str) -> tuple[list[int | str], NDArray[np.intp]]:
    ids, code = np.unique(read_segments({name: values}, n)[name], return_inverse=True)
    return ids.tolist(), code
