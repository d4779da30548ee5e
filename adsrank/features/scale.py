"""The scale of a number: what it is divided by, and whether it was ever missing."""

import sys
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from adsrank.features.source import Float64
from adsrank.features.spec import Transform

CLIP = 8.0
"""Standard deviations: one wild value must not carry a score."""
LARGEST = 1e100
"""What a number beyond it counts as in a mean: sums of larger squares are infinite."""
SILENT = sys.float_info.max
"""Deviation of a number that had one value, or none: whatever serving brings is divided to nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """(f(x) - mean) / deviation, clipped; a missing value is 0 (the mean) and flagged apart.

    A weight that never learned anything must not speak in serving: a number that did not vary in training
    is 0 for ever, and the flag is only raised if some values were missing in training and some were not.
    """

    transform: Transform
    mean: float = 0.0
    deviation: float = 1.0
    missing_seen: bool = False

    @classmethod
    def fit(cls, transform: Transform, values: Float64) -> Self:
        """Learn from `values` (float64 [n], NaN where missing)."""
        known = np.clip(values[~np.isnan(values)], -LARGEST, LARGEST)
        missing = 0 < len(known) < len(values)
        squashed = _squash(known) if transform is Transform.LOG_SQUASH else known
        mean, deviation = (float(squashed.mean()), float(squashed.std())) if len(squashed) else (0.0, 0.0)
        if deviation <= 1e-9:
            deviation = SILENT
        elif transform is Transform.NUMBER:
            deviation = 1.0
        return cls(transform, mean, deviation, missing)

    def apply(self, values: Float64, out: npt.NDArray[np.float32]) -> None:
        """Write the scaled values into out[:, 0] and the missing flags into out[:, 1]."""
        missing = np.isnan(values)
        scaled = _squash(values) if self.transform is Transform.LOG_SQUASH else values
        scaled = np.clip((scaled - self.mean) / self.deviation, -CLIP, CLIP)
        if missing.any():
            scaled[missing] = 0.0
        out[:, 0] = scaled
        out[:, 1] = missing if self.missing_seen else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.transform.value,
            "mean": self.mean,
            "deviation": self.deviation,
            "missing_seen": self.missing_seen,
        }


def _squash(values: Float64) -> Float64:
    squashed: Float64 = np.sign(values) * np.log1p(np.abs(values))
    return squashed
