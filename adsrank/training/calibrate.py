"""Fitting a calibrator a head, on rows later than those the model learned from."""

import numpy as np
import numpy.typing as npt

from adsrank.models.exposure import ExposureCurve
from adsrank.models.probabilities import JOINT, Probabilities
from adsrank.training.labels import Labels
from calibration import Calibrator, IsotonicCalibrator

Float64 = npt.NDArray[np.float64]


LEAST = 30
"""Events, and rows without one, from which a calibrator of earlier rows gives way to one of these."""


def fit_calibrators(
    raw: dict[str, Float64],
    labels: Labels,
    exposure: ExposureCurve,
    earlier: Probabilities | None = None,
) -> Probabilities:
    """One isotonic calibrator a head, each on the rows its label speaks of.

    Parameters:
        raw: the model's probabilities a head, float64 [n], of rows later than its training rows.
        labels: of the same rows.
        earlier: calibrators to keep for a head of which these rows hold fewer than `LEAST` events, as those
            of the newest hours do of conversions.

    Click, save and hide are observed with probability e g p: the place's exposure goes along. A
    conversion given a click needs no place but only counts on mature clicks; click and conversion
    together needs both.
    """
    seen = labels.exposure(exposure)
    fitted: dict[str, Calibrator] = {}
    for head, scores in raw.items():
        rows, placed = speaks(head, labels)
        if earlier is not None and _too_few(labels.of(head)[rows]):
            fitted[head] = earlier.calibrators_[head]
            continue
        fitted[head] = IsotonicCalibrator().fit(
            scores[rows], labels.of(head)[rows], exposure=seen[rows] if placed else None
        )
    if "conversion_given_click" in raw:
        product = fitted["click"].transform(raw["click"]) * fitted["conversion_given_click"].transform(
            raw["conversion_given_click"]
        )
        rows, _ = speaks(JOINT, labels)
        if earlier is not None and _too_few(labels.conversion[rows]):
            fitted[JOINT] = earlier.calibrators_[JOINT]
        else:
            fitted[JOINT] = IsotonicCalibrator().fit(
                product[rows], labels.conversion[rows], exposure=seen[rows]
            )
    return Probabilities(fitted)


def _too_few(label: Float64) -> bool:
    events = float(label.sum())
    return min(events, len(label) - events) < LEAST


def speaks(head: str, labels: Labels) -> tuple[npt.NDArray[np.bool_], bool]:
    """The rows on which a head's label can be judged, and whether it needs the place to be seen."""
    if head == "conversion_given_click":
        return labels.mature & (labels.click > 0), False
    if head == JOINT:
        return labels.mature, True
    return np.ones(len(labels), np.bool_), True
