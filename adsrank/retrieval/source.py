"""Where candidates come from."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from adsrank.catalog.snapshot import Snapshot
from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.signals import Signals

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class SourceCode(IntEnum):
    """Codes are written to the decision log: never renumber, only append."""

    EMBEDDING = 0
    """Near an intent."""
    INTEREST = 1
    """Of an interest of the user's."""
    SAMPLE = 2
    """Drawn: nothing was known that could be used."""


@dataclass(frozen=True, slots=True)
class Hits:
    """A ranked list: what one source found for one intent or interest, best first."""

    rows: Int64
    scores: Float32
    """In the source's own scale; never compared between sources."""
    share: float
    """Of the source's budget, in (0, 1]."""


class Source(Protocol):
    """Finds allowed ads, from signals alone."""

    @property
    def name(self) -> str: ...

    @property
    def code(self) -> SourceCode: ...

    @property
    def share(self) -> float:
        """Of the retrieval budget; what others leave empty it may fill too."""
        ...

    def retrieve(self, signals: Signals, snapshot: Snapshot, allowed: Bits, k: int) -> list[Hits]:
        """Ranked lists of about `k` rows of `allowed` in all, no row twice in a list; perhaps none."""
        ...


def quotas(weights: Float64, floor: float) -> Float64:
    """Shares [m] that sum to 1: `floor` of the whole in equal parts, the rest in proportion to `weights`.

    So none is below ``floor / m``.

    >>> quotas(np.array([8.0, 1.0, 1.0]), 0.3).round(2).tolist()
    [0.66, 0.17, 0.17]
    """
    return np.asarray(floor / len(weights) + (1 - floor) * weights / weights.sum())
