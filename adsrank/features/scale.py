"""The scale of a number: what it is divided by, and whether it was ever missing."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from adsrank.features.source import Float64
from adsrank.features.spec import Transform

CLIP = 8.0
"""Standard deviations: one wild value must not carry a score."""


@dataclass(frozen=True, slots=True)
class Scale:
    """(f(x) - mean) / deviation, clipped; a missing value is 0 (the mean) and flagged apart.

    The flag is only raised if missing values were seen in training: a weight that never learned
    anything must not speak in serving.
    """

    transform: Transform
    mean: float = 0.0
    deviation: float = 1.0
    missing_seen: bool = False

    @classmethod
    def fit(cls, transform: Transform, values: Float64) -> Self:
        """Learn from `values` (float64 [n], NaN where missing)."""
        known = values[~np.isnan(values)]
        missing = len(known) < len(values)
        if transform is Transform.NUMBER:
            mean = float(known.mean()) if len(known) else 0.0
            return cls(transform, mean, 1.0, missing)
        squashed = _squash(known) if transform is Transform.LOG_SQUASH else known
        if not len(squashed):
            return cls(transform, 0.0, 1.0, missing)
        deviation = float(squashed.std())
        return cls(transform, float(squashed.mean()), deviation if deviation > 1e-9 else 1.0, missing)

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
