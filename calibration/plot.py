"""A picture of predicted against observed rates."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from calibration.figure import new_figure, read_path, save
from calibration.reliability import reliability


def plot_reliability(
    scores: ArrayLike,
    labels: ArrayLike,
    path: str | Path,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    bins: int = 15,
    title: str = "Reliability",
) -> Path:
    """Write the reliability diagram to `path` (.png or .svg) and return it.

    A point per bin of equal mass, with the 95 % interval of its observed rate (Wilson 1927); below, the
    mass by score. Both axes are logarithmic where all scores are small. The same data give the same file.
    """
    target = read_path(path)
    table = reliability(scores, labels, weight, exposure, bins)
    rate = np.clip(table.observed, 0.0, 1.0)
    spread = 1.96**2 / table.count
    centre = (rate + spread / 2.0) / (1.0 + spread)
    half = np.sqrt(spread * (rate * (1.0 - rate) + spread / 4.0)) / (1.0 + spread)
    figure = new_figure(6.0, 7.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    least = float(min(table.predicted.min(), np.where(rate > 0.0, rate, 1.0).min()))
    most = float(max(table.predicted.max(), (centre + half).max()))
    upper.plot([least, most], [least, most], color="0.6", linewidth=1.0, label="predicted = observed")
    error = np.abs(np.stack((rate - (centre - half), centre + half - rate)))
    upper.errorbar(
        table.predicted, rate, yerr=error, fmt="o", markersize=4.0, capsize=2.0, label="bins of equal mass"
    )
    if table.predicted.max() < 0.1 and table.predicted.min() > 0.0:
        upper.set_xscale("log")
        upper.set_yscale("log", nonpositive="clip")
        upper.set_ylim(bottom=0.3 * least)
    upper.set_ylabel("observed rate")
    upper.set_title(title)
    upper.legend()
    width = np.maximum(table.high - table.low, 1e-12)
    lower.bar(table.low, table.mass / width, width=width, align="edge", color="0.7")
    lower.set_yscale("log")
    lower.set_ylabel("mass density")
    lower.set_xlabel("predicted")
    return save(figure, target)
