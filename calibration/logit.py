"""The log-odds scale, on which every calibrator works.

A map is kept on log-odds because corrections are shifts and slopes there, and because a probability
of 1e-9 keeps all its digits.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

FloatArray = NDArray[np.float64]

SCORE_LOW = 1e-15
"""Scores below are read as this one."""
SCORE_HIGH = 1.0 - 1e-9
"""Scores above are read as this one: beyond it float64 has too few digits left below 1 to keep an order."""
LOGIT_LOW = float(logit(SCORE_LOW))
LOGIT_HIGH = float(logit(SCORE_HIGH))

_UPPER_KNEE, _UPPER_SPAN = 14.0, 10.0
_LOWER_KNEE, _LOWER_SPAN = 100.0, 500.0


def log_odds(scores: FloatArray) -> FloatArray:
    """log(p / (1 - p)) of scores in [0, 1], held inside [LOGIT_LOW, LOGIT_HIGH]."""
    z: FloatArray = logit(np.clip(scores, SCORE_LOW, SCORE_HIGH))
    return z


def probability(z: FloatArray) -> FloatArray:
    """1 / (1 + exp(-z))."""
    p: FloatArray = expit(z)
    return p


def bounded(z: FloatArray) -> FloatArray:
    """The same log-odds, bent beyond -100 and +14 so that the probability stays inside (0, 1).

    Clipping would make ties; the bend is strictly increasing, never reaches -600 or +24, and leaves
    everything between 4e-44 and 1 - 8e-7 untouched.
    """
    if not len(z) or (z.max() <= _UPPER_KNEE and z.min() >= -_LOWER_KNEE):
        return z
    over = np.maximum(z - _UPPER_KNEE, 0.0)
    under = np.maximum(-_LOWER_KNEE - z, 0.0)
    upper = _UPPER_KNEE + over * (_UPPER_SPAN / (over + _UPPER_SPAN))
    lower = -_LOWER_KNEE - under * (_LOWER_SPAN / (under + _LOWER_SPAN))
    bent: FloatArray = np.where(over > 0.0, upper, np.where(under > 0.0, lower, z))
    return bent
