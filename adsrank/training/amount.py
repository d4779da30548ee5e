"""How good a head is that gives an amount, on later rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.training.labels import Labels

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


def evaluate_amounts(values: dict[str, Float64], labels: Labels) -> dict[str, dict[str, Any]]:
    """A head's figures on mature conversions: rows, ratio, deviance_explained.

    `ratio` is the sum of expected micros over the sum of those paid (1 is unbiased, above it promises too
    much). `deviance_explained` is the share of the gamma deviance from the rows' own mean that the
    expectations explain (0: no better than one mean). None where the rows cannot say.
    """
    report = {}
    for head, expected in values.items():
        rows = paid_rows(head, labels)
        seen, said = labels.of(head)[rows], expected[rows]
        known = len(seen) > 0
        spread = deviance(seen, np.full(len(seen), seen.mean())).mean() if known else 0.0
        report[head] = {
            "rows": len(seen),
            "ratio": float(said.sum() / seen.sum()) if known else None,
            "deviance_explained": float(1.0 - deviance(seen, said).mean() / spread) if spread > 0 else None,
        }
    return report


def paid_rows(head: str, labels: Labels) -> Bool:
    """The rows on which an amount can be judged: mature conversions that were worth something."""
    paid: Bool = labels.mature & (labels.conversion > 0) & (labels.of(head) > 0)
    return paid


def deviance(seen: Float64, said: Float64) -> Float64:
    """Unit deviance of the gamma law, 2 (y / m - 1 - log(y / m)), float64 [n]."""
    share = seen / said
    found: Float64 = 2 * (share - 1 - np.log(share))
    return found
