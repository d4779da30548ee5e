"""How much of a full look a slot gives: examination by position times the gap effect.

One law for the whole market: an ad at position s whose previous ad is d positions away is seen with
probability e_s * g(d). Seen means that the impression event is sent; nothing can be done with an ad
that is not seen. So an impression is worth its bid times that exposure, and a click, save or hide
happens with its own probability given seen.
"""

import math
from dataclasses import dataclass

import numpy as np

from adsrank.data.world import Float64

PAGE_LENGTH = 64


def _examination() -> tuple[float, ...]:
    return tuple(round(math.exp(-(((s - 1) / 28) ** 1.15)), 4) for s in range(1, PAGE_LENGTH + 1))


@dataclass(frozen=True, slots=True)
class ExposureLaw:
    """True curves of the market, of the same form as `auction.policy.Exposure`."""

    examination: tuple[float, ...] = _examination()
    """e_s for s = 1, 2, ...: 1 at the top, not increasing, 0 past the end."""
    gap_effect: tuple[float, ...] = (0.62, 0.74, 0.85, 0.94)
    """g(d) for d = 1, 2, ...: 1 past the end."""

    def of(self, position: np.ndarray, gap: np.ndarray) -> Float64:
        """Probability that an ad is seen. `position` 1-based; `gap` 0 where there is no ad before."""
        curve = np.array([0.0, *self.examination, 0.0])
        effect = np.array([1.0, *self.gap_effect, 1.0])
        examined = curve[np.clip(position, 0, len(curve) - 1)]
        seen: Float64 = examined * effect[np.clip(gap, 0, len(effect) - 1)]
        return seen
