"""From raw scores to the probabilities that meet money."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError
from adsrank.models.heads import probable
from calibration import CalibrationError, Calibrator, JointCalibrator, from_json

Float64 = npt.NDArray[np.float64]

LEAST = 1e-7
"""Calibrated probabilities lie in [LEAST, 1 - LEAST]: a price divides by them."""

JOINT = "click_conversion"


class Probabilities:
    """One strictly increasing calibrator a head, and one for click and conversion together.

    The product of two calibrated probabilities is not calibrated (clickers of likely buyers are not
    average clickers), so p_click_conversion has a calibrator of its own, over both. It stays below
    p_click, and increases in each of the two.
    """

    def __init__(self, calibrators: Mapping[str, Calibrator], joint: JointCalibrator | None = None) -> None:
        self.calibrators_ = dict(calibrators)
        self.joint_ = joint

    def transform(self, raw: Mapping[str, Float64]) -> dict[str, Float64]:
        """`p_<head>` of each raw head, and `p_click_conversion`, float64 [n] in [1e-7, 1 - 1e-7]."""
        found = {head: self.calibrators_[head].transform(scores) for head, scores in raw.items()}
        if self.joint_ is not None:
            found[JOINT] = self.joint_.transform(found["click"], found["conversion_given_click"])
        return {f"p_{head}": np.clip(p, LEAST, 1 - LEAST) for head, p in found.items()}

    def to_json(self) -> dict[str, Any]:
        found = {head: calibrator.to_json() for head, calibrator in self.calibrators_.items()}
        return found if self.joint_ is None else {**found, JOINT: self.joint_.to_json()}

    @classmethod
    def from_json(cls, data: Any, heads: tuple[str, ...]) -> Self:
        """Rebuild from `to_json`.

        Raises:
            InputError: not exactly the calibrators of `heads`, or one that is refused; names it.
        """
        expected = calibrated(heads)
        if not isinstance(data, dict) or set(data) != set(expected):
            found = sorted(data)[:8] if isinstance(data, dict) else type(data).__name__
            raise InputError("calibrators", found, f"give {sorted(expected)}")
        calibrators: dict[str, Calibrator] = {}
        joint = None
        for head in expected:
            try:
                if head == JOINT:
                    joint = JointCalibrator.from_json(data[head])
                else:
                    calibrators[head] = from_json(data[head])
            except CalibrationError as error:
                raise InputError(head, "refused", str(error)) from None
            if head in calibrators and calibrators[head].segment_keys():
                raise InputError(head, "a calibrator by segment", "give one that needs the score alone")
        return cls(calibrators, joint)


def calibrated(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the calibrators that `heads` need."""
    heads = probable(heads)
    return (*heads, JOINT) if "conversion_given_click" in heads else heads
