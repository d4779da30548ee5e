"""How good a head is that gives an amount, on later rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.training.labels import Labels

Float64 = npt.NDArray[np.float64]


def evaluate_amounts(values: dict[str, Float64], labels: Labels) -> dict[str, dict[str, Any]]:
    """A head's figures on mature conversions: rows, ratio, deviance_explained.

    `ratio` is the sum of expected micros over the sum of those paid (1 is unbiased, above it promises too
    much). `deviance_explained` is the share of the gamma deviance of the rows' own mean that the
    expectations explain (0: no better than one mean). None where the rows cannot say.
    """
    report = {}
    for head, expected in values.items():
        paid = labels.of(head)
        rows = labels.mature & (labels.conversion > 0) & (paid > 0)
        seen, said = paid[rows], expected[rows]
        known = len(seen) > 0
        spread = _deviance(seen, np.full(len(seen), seen.mean())) if known else 0.0
        report[head] = {
            "rows": int(rows.sum()),
            "ratio": float(said.sum() / seen.sum()) if known else None,
            "deviance_explained": 1.0 - _deviance(seen, said) / spread if spread > 0 else None,
        }
    return report


def _deviance(seen: Float64, said: Float64) -> float:
    """Mean unit deviance of the gamma law, 2 (y / m - 1 - log(y / m))."""
    share = seen / said
    return float(2 * (share - 1 - np.log(share)).mean())
