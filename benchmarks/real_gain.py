"""Which of two models explains the same rows better."""

import numpy as np
import numpy.typing as npt

from benchmarks.row import Row
from calibration import metrics

Float64 = npt.NDArray[np.float64]


def gain(name: str, ours: Float64, theirs: Float64, y: Float64, bound: str | None = None) -> Row:
    """Mean log loss of `ours` less that of `theirs`, with its interval; below 0, ours is better."""
    difference = np.where(y > 0.0, np.log(theirs / ours), np.log((1.0 - theirs) / (1.0 - ours)))

    def mean(scores: Float64, labels: Float64, weight: Float64) -> float:
        return float(weight @ difference / weight.sum())

    found = metrics.with_interval(mean, ours, y, seed=0)
    return Row(name, found.value, f"({found.low:.6f} to {found.high:.6f})", bound)
