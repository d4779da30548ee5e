"""The first-stage ranker, which cuts a thousand candidates to those worth the heavy model.

It imitates that model, so it has no labels of its own.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from adsrank.features.batch import FeatureBatch

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class FirstStage(Protocol):
    """Scores candidates in about a millisecond a thousand."""

    @property
    def kind(self) -> str:
        """As a bundle's manifest names it."""

    def score(self, batch: FeatureBatch) -> Float64:
        """Estimated p_click given examined, not calibrated: float64 [n] in [0, 1]."""

    def tensors(self) -> Mapping[str, Float32]:
        """What is stored beside the model's weights, by name."""

    def to_json(self) -> Any:
        """All else that a bundle stores of it."""
