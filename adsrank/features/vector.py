"""An embedding that is passed through: its floats as they are, and whether they are missing."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from adsrank.features.source import Bool, Float32


@dataclass(frozen=True, slots=True)
class PassedVector:
    """Floats [n, size] become [n, size + 1]: a missing row is zeros, and flagged in the last column.

    As with a number (`features.scale.Scale`): the flag is only raised if training saw missing rows and
    others, and a vector that training never saw is zeros for ever.
    """

    size: int
    missing_seen: bool = False
    known: bool = True

    @classmethod
    def fit(cls, size: int, missing: Bool) -> Self:
        known = not bool(missing.all())
        return cls(size, known and bool(missing.any()), known)

    def apply(self, rows: Float32, missing: Bool) -> Float32:
        """float32 [n, size + 1] of `rows` (float32 [n, size])."""
        out = np.zeros((len(rows), self.size + 1), np.float32)
        if self.known:
            out[:, : self.size] = rows
        if self.missing_seen:
            out[:, self.size] = missing
        return out

    def to_json(self) -> dict[str, Any]:
        return {"size": self.size, "missing_seen": self.missing_seen, "known": self.known}
