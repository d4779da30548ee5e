"""The correction for a model trained on a part of the negatives."""

import math
from collections.abc import Mapping
from typing import ClassVar, Self

from numpy.typing import ArrayLike

from calibration.base import Calibrator
from calibration.document import Fields, JsonDict
from calibration.errors import require
from calibration.logit import FloatArray, bounded, log_odds, probability
from calibration.number import is_number
from calibration.sample import IdArray, Sample, read_scores


class SamplingCorrection(Calibrator):
    """q = p / (p + (1 - p) / rate), where `rate` in (0, 1] is the part of the negatives that was kept.

    (He et al. 2014, section 6.3.) On log-odds it is a shift by log(rate). There is nothing to learn: it
    works unfitted, and `fit` only checks its input. It must be applied once, before what is fitted on
    un-sampled data: a `Chain` refuses a second one, and one that is not first.

    >>> SamplingCorrection(rate=0.1).transform([0.5]).round(4)
    array([0.0909])
    """

    kind: ClassVar[str] = "sampling"

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def inverse(self, probabilities: ArrayLike) -> FloatArray:
        """Scores [n] as the model trained on the sample would give them, of true probabilities [n]."""
        self._check()
        return probability(bounded(log_odds(read_scores(probabilities)) - math.log(self.rate)))

    def _check(self) -> None:
        good = is_number(self.rate) and 1e-9 <= self.rate <= 1.0
        require(good, "rate", self.rate, "the kept part of the negatives, in (0, 1]")

    def _fitted(self) -> bool:
        self._check()
        return True

    def _fit(self, sample: Sample) -> None:
        pass

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        return z + math.log(self.rate)

    def _state(self) -> JsonDict:
        return {}

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        return cls(params.number("rate"))
