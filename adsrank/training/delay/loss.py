"""Losses over logits for late conversions, in torch, and their numpy references."""

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, log_expit
from torch import Tensor
from torch.nn import functional as F

from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.targets import LateTargets
from adsrank.training.delay.weibull import LEAST_S, WeibullDelay

Float64 = npt.NDArray[np.float64]


def late_loss(logit: Tensor, weight: Tensor, target: Tensor, share: Tensor | None = None) -> Tensor:
    """weight * -(target log p + (1 - target) log(1 - share p)) of each row [n], p = sigmoid(logit).

    Of the columns of `LateTargets`; without a share, or with 1, the weighted cross-entropy.
    """
    if share is None:
        return weight * F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    # log(1 - s p) = log((1 - p) + (1 - s) p), without ever leaving logarithms
    unseen = torch.log((1 - share).clamp(min=torch.finfo(share.dtype).tiny))
    missed = torch.logaddexp(F.logsigmoid(-logit), F.logsigmoid(logit) + unseen)
    return -weight * (target * F.logsigmoid(logit) + (1 - target) * missed)


def late_terms(logit: Float64, targets: LateTargets) -> tuple[Float64, Float64]:
    """`late_loss` in numpy: the loss of each row and its derivative in the logit, [n] each."""
    p, rest = expit(logit), expit(-logit)
    left = rest + (1 - targets.share) * p
    missed = np.where(targets.share == 1.0, log_expit(-logit), np.log(left))
    loss = -targets.weight * (targets.target * log_expit(logit) + (1 - targets.target) * missed)
    slope = targets.weight * ((1 - targets.target) * targets.share * p * rest / left - targets.target * rest)
    return loss, slope


def delayed_feedback_loss(
    logit: Tensor,
    log_rate: Tensor,
    log_shape: Tensor,
    conversion: Tensor,
    delay_s: Tensor,
    elapsed_s: Tensor,
    window_s: float,
) -> Tensor:
    """Minus the joint log-likelihood of conversion and delay, a click [n] (Chapelle 2014, equation 6).

    A known conversion: log p + log f(delay). None yet: log(1 - p F(elapsed)), with F and f of
    `WeibullDelay`. `delay_s` is read only where conversion is 1; the delay's parameters may be one number
    or [n].
    """
    shape = log_shape.exp()
    bought = conversion > 0
    delay = torch.where(bought, delay_s, LEAST_S).clamp(min=LEAST_S).log()
    hazard_log = shape * (log_rate + delay)
    whole = -torch.expm1(-(shape * (log_rate + np.log(window_s))).exp())
    density = log_shape + hazard_log - delay - hazard_log.exp() - whole.log()
    elapsed = elapsed_s.clamp(min=LEAST_S, max=window_s).log()
    share = -torch.expm1(-(shape * (log_rate + elapsed)).exp()) / whole
    one = torch.ones_like(logit)
    plain = late_loss(logit, one, conversion, share)
    return plain - torch.where(bought, density, torch.zeros_like(density))


def delayed_feedback_terms(logit: Float64, law: WeibullDelay, feedback: Feedback) -> Float64:
    """`delayed_feedback_loss` in numpy, [n]."""
    share = law.complete(feedback.elapsed_s)
    plain, _ = late_terms(logit, LateTargets(np.ones(len(logit)), feedback.conversion, share))
    bought = feedback.conversion > 0
    density = law.log_density(np.where(bought, feedback.delay_s, LEAST_S))
    found: Float64 = plain - np.where(bought, density, 0.0)
    return found
