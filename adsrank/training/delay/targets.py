"""How a training row with late feedback counts."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from adsrank.training.delay.curve import DelayCurve
from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.weibull import WeibullDelay

Float64 = npt.NDArray[np.float64]

LateConversions = Literal["mature_only", "delayed_feedback", "importance", "naive"]
"""What is done with clicks whose window is still open: left out; modelled; reweighted; taken as they are."""

LEAST_COMPLETE = 0.05
"""Clicks so young that less than this share of conversions is known are left out by `importance`: their
weight would pass 20. Age says nothing of whether a click converts, so leaving them out is no bias."""

REACH = 0.9
"""Share of the window that the oldest click that converted must have behind it, for a product limit."""


class Completion(Protocol):
    """A law of the delay: `DelayCurve` or `WeibullDelay`."""

    def complete(self, elapsed_s: Float64) -> Float64:
        """Share of conversions known after each time elapsed, in [0, 1]."""


class LateTargets(NamedTuple):
    """Columns [n]: a row's loss is weight * -(target log p + (1 - target) log(1 - share p))."""

    weight: Float64
    target: Float64
    """The label, or a stand-in of the same expectation: above 1 for an early conversion."""
    share: Float64
    """The chance that a conversion would be known by now, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class LateRule:
    """One way of dealing with clicks whose window is open, and the law of the delay that it needs."""

    late: LateConversions
    window_s: float
    law: Completion | None = None
    """None for mature_only and naive, which need none."""

    @classmethod
    def fit(cls, clicks: Feedback, late: LateConversions) -> Self:
        """The rule with a law of the delay fitted to these clicks: the product limit, which assumes nothing
        of its form, or where no click is old enough to tell (`REACH`), a Weibull law, which goes on."""
        if late in ("mature_only", "naive"):
            return cls(late, clicks.window_s)
        curve = DelayCurve.fit(clicks)
        law = curve if curve.reach_s >= REACH * clicks.window_s else WeibullDelay.fit(clicks)
        return cls(late, clicks.window_s, law)

    def rate(self, clicks: Feedback, known: Float64 | None = None) -> float:
        """Conversions per click, of clicks by what is known of them; half a one in ten is the prior."""
        rows = self.targets(clicks, known)
        bought, told = (rows.weight * rows.target).sum(), (rows.weight * rows.share).sum()
        return float(min((bought + 0.5) / (told + 10), 0.99))

    def targets(self, rows: Feedback, known: Float64 | None = None) -> LateTargets:
        """What the rows teach (clicks, or ads shown, of which the unclicked are known never to convert).

        - mature_only: the label, of rows whose window is over.
        - naive: the label, of all rows; those that may still convert count as negatives.
        - importance: the target y / F(elapsed). E[y] = p F, so its expectation is p, and a loss that is
          linear in the target has the same expectation as with the labels that one would wait for. In
          other words: a known conversion counts 1 / F times, and the 1 / F - 1 that it stands for beyond
          itself are taken off the negatives.
        - delayed_feedback: the likelihood of what is known, which happens with probability p F(elapsed)
          (Chapelle 2014, the factor f(delay) of a conversion being free of p).

        Parameters:
            known: F(elapsed) of each row, where it is known already; default: by the rule's law.
        """
        one, label = np.ones(len(rows)), rows.conversion
        if self.law is None:
            counts = rows.mature if self.late == "mature_only" else one
            return LateTargets(counts.astype(np.float64), label, one)
        if known is None:
            known = self.law.complete(rows.elapsed_s)
        if self.late == "delayed_feedback":
            return LateTargets(one, label, known)
        old = known >= LEAST_COMPLETE
        target = np.where(old, label / np.maximum(known, LEAST_COMPLETE), 0.0)
        return LateTargets(old.astype(np.float64), target, one)
