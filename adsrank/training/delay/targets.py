"""How a training row with late feedback counts."""

from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from adsrank.training.delay.curve import DelayCurve
from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.weibull import WeibullDelay

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

LateConversions = Literal["mature_only", "delayed_feedback", "importance", "naive"]
"""What is done with clicks whose window is still open: left out; modelled; reweighted; taken as they are."""

LEAST_COMPLETE = 0.05
"""Clicks so young that less than this share of conversions is known are left out by `importance`: their
weight would pass 20. Age says nothing of whether a click converts, so leaving them out is no bias."""


class Completion(Protocol):
    """A law of the delay: `DelayCurve` or `WeibullDelay`."""

    def complete(self, elapsed_s: Float64) -> Float64:
        """Share of conversions known after each time elapsed, in [0, 1]."""


def completion(feedback: Feedback, late: LateConversions, clicked: Bool | None = None) -> Float64:
    """The share of conversions that counts as known for each row, [n] in [0, 1].

    Its age tells: 0 leaves a click out (`mature_only`, before its window is over), 1 takes it as it is
    (`naive`); otherwise F(elapsed) of a law fitted to these clicks, the product limit for `importance`
    and a Weibull law for `delayed_feedback`.

    Parameters:
        clicked: rows the law is fitted to; the others (ads shown and not clicked) only have an age.
    """
    if late == "naive":
        return np.ones(len(feedback))
    if late == "mature_only":
        return feedback.mature.astype(np.float64)
    clicks = feedback if clicked is None else feedback.take(clicked)
    law: Completion = DelayCurve.fit(clicks) if late == "importance" else WeibullDelay.fit(clicks)
    return law.complete(feedback.elapsed_s)


class LateTargets(NamedTuple):
    """Columns [n]: a row's loss is weight * -(target log p + (1 - target) log(1 - share p))."""

    weight: Float64
    target: Float64
    """The label, or a stand-in of the same expectation: above 1 for an early conversion."""
    share: Float64
    """The chance that a conversion would be known by now, in [0, 1]."""

    @classmethod
    def of(cls, conversion: Float64, known: Float64, late: LateConversions) -> "LateTargets":
        """Columns for one way of dealing with late conversions.

        - mature_only, naive: the label as it is, of rows where known is not 0.
        - importance: the target y / known. E[y] = p known, so its expectation is p, and a loss that is
          linear in the target has the same expectation as with the labels that one would wait for. In
          other words: a conversion counts 1 / known times, and the 1 / known - 1 that it stands for
          beyond itself are taken off the negatives.
        - delayed_feedback: the likelihood of what is known, which happens with probability p known
          (Chapelle 2014, the factor f(delay) of a conversion being free of p).

        Parameters:
            conversion: [n], 1 where one is known.
            known: [n], `completion` of the same clicks and the same `late`.
        """
        one = np.ones(len(conversion))
        if late == "delayed_feedback":
            return cls(one, conversion, known)
        counts = known >= LEAST_COMPLETE
        target = np.where(counts, conversion / np.maximum(known, LEAST_COMPLETE), 0.0)
        return cls(counts.astype(np.float64), target, one)
