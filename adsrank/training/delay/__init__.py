"""Late conversions: what is done with clicks that may still convert."""

from adsrank.training.delay.curve import DelayCurve
from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.linear import LateLogistic
from adsrank.training.delay.loss import delayed_feedback_loss, late_loss
from adsrank.training.delay.targets import LateConversions, LateRule, LateTargets
from adsrank.training.delay.weibull import WeibullDelay

__all__ = [
    "DelayCurve",
    "Feedback",
    "LateConversions",
    "LateLogistic",
    "LateRule",
    "LateTargets",
    "WeibullDelay",
    "delayed_feedback_loss",
    "late_loss",
]
