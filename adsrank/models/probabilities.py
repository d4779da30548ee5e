"""From raw scores to the probabilities that meet money."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError
from adsrank.models.heads import probable
from calibration import CalibrationError, Calibrator, from_json

Float64 = npt.NDArray[np.float64]

LEAST = 1e-7
"""Calibrated probabilities lie in [LEAST, 1 - LEAST]: a price divides by them."""

JOINT = "click_conversion"


class Probabilities:
    """One strictly increasing calibrator a head, and one for click and conversion together.

    The product of two calibrated probabilities is not calibrated (clickers of likely buyers are not
    average clickers), so p_click_conversion has a calibrator of its own, on that product.
    """

    def __init__(self, calibrators: Mapping[str, Calibrator]) -> None:
        self.calibrators_ = dict(calibrators)

    def transform(self, raw: Mapping[str, Float64]) -> dict[str, Float64]:
        """`p_<head>` of each raw head, and `p_click_conversion`, float64 [n] in [1e-7, 1 - 1e-7]."""
        found = {head: self.calibrators_[head].transform(scores) for head, scores in raw.items()}
        if JOINT in self.calibrators_:
            product = found["click"] * found["conversion_given_click"]
            found[JOINT] = self.calibrators_[JOINT].transform(product)
        return {f"p_{head}": np.clip(p, LEAST, 1 - LEAST) for head, p in found.items()}

    def to_json(self) -> dict[str, Any]:
        return {head: calibrator.to_json() for head, calibrator in self.calibrators_.items()}

    @classmethod
    def from_json(cls, data: Any, heads: tuple[str, ...]) -> Self:
        """Rebuild from `to_json`.

        Raises:
            InputError: not exactly the calibrators of `heads`, or one that is refused; names it.
        """
        expected = set(calibrated(heads))
        if not isinstance(data, dict) or set(data) != expected:
            found = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise InputError("calibrators", found, f"give {sorted(expected)}")
        calibrators = {}
        for head in calibrated(heads):
            try:
                calibrators[head] = from_json(data[head])
            except CalibrationError as error:
                raise InputError(head, "refused", str(error)) from None
            if calibrators[head].segment_keys():
                raise InputError(head, "a calibrator by segment", "give one that needs the score alone")
        return cls(calibrators)


def calibrated(heads: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the calibrators that `heads` need."""
    heads = probable(heads)
    return (*heads, JOINT) if "conversion_given_click" in heads else heads
