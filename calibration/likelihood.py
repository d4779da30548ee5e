"""Maximum likelihood for a label that happens with probability exposure * sigmoid(z).

With exposure x = 1 this is logistic regression. Below 1 it is the click model in which a row is examined
with probability x and, if examined, clicked with probability p (Richardson, Dominowska and Ragno 2007).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit

from calibration.logit import FloatArray, bounded, probability
from calibration.sample import Sample

_MAX_SHIFT = 5.0


class RowTerms(NamedTuple):
    """Per row, unweighted: the negative log-likelihood, minus its derivative in z, its expected curvature."""

    loss: FloatArray
    pull: FloatArray
    information: FloatArray


def row_terms(z: FloatArray, labels: FloatArray, exposure: FloatArray) -> RowTerms:
    """Bernoulli(x * sigmoid(z)) of each row.

    With mu = x * s, s = sigmoid(z): dmu/dz = mu (1 - s), so that the score is (y - mu)(1 - s) / (1 - mu)
    and the Fisher information mu (1 - s)^2 / (1 - mu). 1 - mu is computed as (1 - s) + (1 - x) s, which
    keeps its digits where x = 1.
    """
    s, rest = expit(z), expit(-z)
    unclicked = rest + (1.0 - exposure) * s
    ratio = rest / unclicked
    loss = -np.where(labels > 0.0, np.log(exposure) + log_expit(z), np.log(unclicked))
    full = exposure == 1.0
    # log(1 - s) of a large z from expit loses digits; the exact form is at hand where x = 1.
    loss = np.where(full & (labels == 0.0), -log_expit(-z), loss)
    ratio = np.where(full, 1.0, ratio)
    mu = exposure * s
    return RowTerms(loss, (labels - mu) * ratio, mu * rest * ratio)


class Bounds(NamedTuple):
    """Box and Gaussian prior of each coefficient: [k] each; a ridge of 0 is no prior."""

    start: FloatArray
    ridge: FloatArray
    low: FloatArray
    high: FloatArray


def fit_linear(design: FloatArray, sample: Sample, bounds: Bounds) -> FloatArray:
    """Coefficients [k] of z = design @ coefficients, design [n, k], that maximise

    sum w log Bernoulli(y; x sigmoid(z)) - sum ridge / 2 (coefficient - start)^2 within low..high.

    Fisher scoring with step halving; a coefficient that would leave its box is held at the bound and the
    others are solved again. The result does not depend on anything random.
    """
    beta = np.array(bounds.start, dtype=np.float64)

    def objective(at: FloatArray) -> float:
        terms = row_terms(design @ at, sample.labels, sample.exposure)
        return float(sample.weight @ terms.loss + 0.5 * bounds.ridge @ (at - bounds.start) ** 2)

    value = objective(beta)
    scale = min(
        1.0, float(sample.weight.sum())
    )  # of the loss, where all weights together are less than a row
    for _ in range(200):
        terms = row_terms(design @ beta, sample.labels, sample.exposure)
        gradient = design.T @ (sample.weight * terms.pull) - bounds.ridge * (beta - bounds.start)
        curvature = (design * (sample.weight * terms.information)[:, None]).T @ design + np.diag(bounds.ridge)
        step = _free_step(beta, gradient, curvature, bounds)
        gain = float(gradient @ step)
        if gain <= 1e-10 * (scale + abs(value)):
            # Too near for the objective to tell better from worse; the step itself is still exact.
            return np.clip(beta + step, bounds.low, bounds.high)
        size = 1.0
        while size > 1e-10:
            tried = np.clip(beta + size * step, bounds.low, bounds.high)
            tried_value = objective(tried)
            if tried_value < value:
                break
            size *= 0.5
        else:
            break
        beta, value = tried, tried_value
    return beta


def _free_step(beta: FloatArray, gradient: FloatArray, curvature: FloatArray, bounds: Bounds) -> FloatArray:
    """Newton's step among the coefficients that are not pushed against a bound."""
    held = ((beta <= bounds.low) & (gradient < 0.0)) | ((beta >= bounds.high) & (gradient > 0.0))
    step = np.zeros_like(beta)
    for _ in range(len(beta)):
        free = np.flatnonzero(~held)
        step[:] = 0.0
        if not len(free):
            break
        block = curvature[np.ix_(free, free)]
        # A relative jitter keeps a coefficient that the data say nothing about from blowing up.
        block = block + np.diag(1e-12 * (np.diag(block) + 1e-12))
        step[free] = np.linalg.solve(block, gradient[free])
        outside = ((beta <= bounds.low) & (step < 0.0)) | ((beta >= bounds.high) & (step > 0.0))
        if not (outside & ~held).any():
            break
        held |= outside
    return step


def level_shift(z: FloatArray, mass: FloatArray, positives: float) -> float:
    """The shift of the log-odds z [n] that makes sum mass * p equal `positives`, held to +-5.

    With more positives than mass no probability can match them: then it is 5.
    """

    def excess(shift: float) -> float:
        return float(mass @ probability(bounded(z + shift))) - positives

    if excess(-_MAX_SHIFT) >= 0.0:
        return -_MAX_SHIFT
    if excess(_MAX_SHIFT) <= 0.0:
        return _MAX_SHIFT
    return float(brentq(excess, -_MAX_SHIFT, _MAX_SHIFT, xtol=1e-13))
