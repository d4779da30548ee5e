"""The correction that follows the world between two trainings."""

import math
from collections.abc import Mapping
from typing import ClassVar, Self

from numpy.typing import ArrayLike

from calibration.base import Calibrator
from calibration.document import Fields, JsonDict
from calibration.errors import require
from calibration.logit import FloatArray, log_odds
from calibration.number import is_number
from calibration.sample import IdArray, Sample, read_sample


class DriftCorrector(Calibrator):
    """Multiplies the odds by one factor, kept up to date by `observe`.

    The log of the factor is the intercept of a logistic regression with the scores as offset, updated one
    event at a time and forgetting (a dynamic generalised linear model with a discount: West, Harrison and
    Migon 1985). With s = sigmoid(z + delta), the discount l = 2 ** (-weight / half_life), I the
    information held and P the prior precision:

        I' = l I + w x s (1 - s)
        delta' = (l (I + P) delta + w x s (1 - s) delta + w (y - x s)) / (I' + P)

    so that the discounted sum of (label - exposure * prediction) settles at P * delta: with P = 10, about
    ten positives pull the factor towards 1, which is also where it returns as what was seen is forgotten.

    A state machine: `observe` is its only verb that changes it, there is no clock and nothing random, and
    events in one call or many give the same state. Feed it each event once its label is mature, in the
    order of labels' times. `fit` starts afresh at a factor of 1: what drifts comes after the fit.

    half_life: in events (weights); prior_precision: P; max_factor: the factor stays in [1/max, max].

    Learned: `log_factor_`, `information_`, `observed_` (events, by weight).

    >>> drift = DriftCorrector(half_life=1000)
    >>> round(drift.observe([0.1] * 2000, ([1] + [0] * 4) * 400), 2)  # one in five, not one in ten
    2.15
    """

    kind: ClassVar[str] = "drift"
    log_factor_: float = 0.0
    information_: float = 0.0
    observed_: float = 0.0

    def __init__(
        self, half_life: float = 200_000.0, prior_precision: float = 10.0, max_factor: float = 4.0
    ) -> None:
        self.half_life = half_life
        self.prior_precision = prior_precision
        self.max_factor = max_factor

    @property
    def factor(self) -> float:
        """What the odds are multiplied by."""
        return math.exp(self.log_factor_)

    def observe(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Learn from events [n] in their order, and return the new factor.

        scores: the probabilities that `transform` is given, before this correction; the other columns as
        in `fit`. In a chain use `Chain.observe`, which takes the model's raw scores.
        """
        self._check()
        sample = read_sample(scores, labels, weight, exposure)
        self._observe(sample.with_scores(log_odds(sample.scores)))
        return self.factor

    def _observe(self, sample: Sample) -> None:
        delta, information, observed = self.log_factor_, self.information_, self.observed_
        prior, most = self.prior_precision, math.log(self.max_factor)
        decay = -math.log(2.0) / self.half_life
        columns = (sample.scores, sample.labels, sample.weight, sample.exposure)
        for z, y, w, x in zip(*(column.tolist() for column in columns), strict=True):
            s = _sigmoid(z + delta)
            kept = math.exp(decay * w)
            seen = w * x * s * (1.0 - s)
            moment = (kept * (information + prior) + seen) * delta + w * (y - x * s)
            information = kept * information + seen
            delta = min(max(moment / (information + prior), -most), most)
            observed += w
        self.log_factor_, self.information_, self.observed_ = delta, information, observed

    def _check(self) -> None:
        half_life, prior, most = self.half_life, self.prior_precision, self.max_factor
        good = is_number(half_life) and 1.0 <= half_life < 1e15
        require(good, "half_life", half_life, "a number of events >= 1")
        require(is_number(prior) and 0.1 <= prior < 1e9, "prior_precision", prior, "a number >= 0.1")
        require(is_number(most) and 1.0 < most <= 100.0, "max_factor", most, "a number in (1, 100]")

    def _fitted(self) -> bool:
        return True

    def _fit(self, sample: Sample) -> None:
        self.log_factor_, self.information_, self.observed_ = 0.0, 0.0, 0.0

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        return z + self.log_factor_

    def _state(self) -> JsonDict:
        return {
            "log_factor": self.log_factor_,
            "information": self.information_,
            "observed": self.observed_,
        }

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        half_life = params.number("half_life", 1.0)
        made = cls(half_life, params.number("prior_precision"), params.number("max_factor", 1.0, 100.0))
        most = math.log(made.max_factor)
        made.log_factor_ = state.number("log_factor", -most, most)
        made.information_ = state.number("information", 0.0)
        made.observed_ = state.number("observed", 0.0)
        return made


def _sigmoid(z: float) -> float:
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    small = math.exp(z)
    return small / (1.0 + small)
