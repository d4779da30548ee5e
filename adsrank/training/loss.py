"""What the network is fitted to: the negative log-likelihood of what was observed."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adsrank.models.exposure import ExposureCurve
from adsrank.training.config import TrainConfig
from adsrank.training.delay.loss import late_loss
from adsrank.training.delay.targets import LateRule
from adsrank.training.labels import Labels

PLACED = ("click", "save", "hide")
"""Heads whose label needs the ad to be seen: observed with probability e g p."""


class Targets:
    """Labels as tensors: `seen` is log(e g) and `unseen` log(1 - e g).

    Of conversions, `delay.LateTargets` by the rule `late`; without one, rows whose window is over count.
    """

    def __init__(self, labels: Labels, exposure: ExposureCurve, late: LateRule | None = None) -> None:
        share = np.minimum(labels.exposure(exposure), 1.0)
        self.seen = _float(np.log(share))
        self.unseen = _float(np.log(np.maximum(1.0 - share, 1e-30)))
        self.labels = {head: _float(labels.of(head)) for head in PLACED}
        self.conversion, self.weight = _float(labels.conversion), _float(labels.mature)
        self.share = None
        if late is not None:
            known = late.targets(labels.feedback(late.window_s))
            self.conversion, self.weight = _float(known.target), _float(known.weight)
            self.share = _float(known.share) if late.late == "delayed_feedback" else None

    def take(self, rows: Tensor) -> "Targets":
        part = object.__new__(Targets)
        part.seen, part.unseen = self.seen[rows], self.unseen[rows]
        part.labels = {head: label[rows] for head, label in self.labels.items()}
        part.conversion, part.weight = self.conversion[rows], self.weight[rows]
        part.share = None if self.share is None else self.share[rows]
        return part


def loss(logits: Tensor, targets: Targets, config: TrainConfig) -> Tensor:
    """Negative log-likelihood a row: of each placed label, of conversions given clicks, of the joint."""
    total = logits.new_zeros(())
    clicked = targets.labels["click"]
    for number, head in enumerate(config.heads):
        logit = logits[:, number]
        if head == "conversion_given_click":
            settled = clicked * targets.weight
            total = total + late_loss(logit, settled, targets.conversion, targets.share).mean()
            if config.entire_space:
                # Both at once: log p = log p_click + log p_conversion_given_click, over all shown ads.
                joint = F.logsigmoid(logits[:, 0]) + F.logsigmoid(logit) + targets.seen
                if targets.share is not None:
                    joint = joint + targets.share.clamp(min=1e-30).log()
                missed = torch.log1p(-torch.exp(joint.clamp(max=-1e-6)))
                bought = targets.conversion
                both = -(bought * joint + (1 - bought) * missed) * targets.weight
                total = total + config.entire_space * both.mean()
        else:
            label = targets.labels[head]
            # log(1 - x p) = log(p (1 - x) + (1 - p)), without ever leaving logarithms
            happened = F.logsigmoid(logit) + targets.seen
            missed = torch.logaddexp(F.logsigmoid(logit) + targets.unseen, F.logsigmoid(-logit))
            total = total - (label * happened + (1 - label) * missed).mean()
    return total


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
