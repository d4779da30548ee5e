"""What the network is fitted to: the negative log-likelihood of what was observed, task by task."""

from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adsrank.models.exposure import ExposureCurve
from adsrank.models.heads import PLACED
from adsrank.models.probabilities import JOINT
from adsrank.training.config import TrainConfig
from adsrank.training.delay.loss import late_loss
from adsrank.training.delay.targets import LateRule
from adsrank.training.labels import Labels

FURTHEST = 30.0
"""Log of how many times its expected value an order may be worth before its gradient stops growing."""


class Targets:
    """Labels as tensors [n]: `seen` is log(e g), `unseen` log(1 - e g), `value` the log of an order's micros.

    Labels that the table does not have are not there. Of conversions, `delay.LateTargets` by the rule
    `late`; without one, rows whose window is over count.
    """

    def __init__(self, labels: Labels, exposure: ExposureCurve, late: LateRule | None = None) -> None:
        share = np.minimum(labels.exposure(exposure), 1.0)
        self.seen = _float(np.log(share))
        self.unseen = _float(np.log(np.maximum(1.0 - share, 1e-30)))
        self.labels = {head: _float(labels.of(head)) for head in PLACED if labels.has(head)}
        self.conversion, self.weight = _float(labels.conversion), _float(labels.mature)
        self.share = None
        if late is not None:
            known = late.targets(labels.feedback(late.window_s), labels.known)
            self.conversion, self.weight = _float(known.target), _float(known.weight)
            self.share = _float(known.share) if late.late == "delayed_feedback" else None
        worth = labels.of("order_value") if labels.has("order_value") else None
        self.value = None if worth is None else _float(np.log(np.maximum(worth, 1.0)))

    def take(self, rows: Tensor) -> "Targets":
        """The targets of `rows`."""
        part = copy(self)
        part.seen, part.unseen = self.seen[rows], self.unseen[rows]
        part.labels = {head: label[rows] for head, label in self.labels.items()}
        part.conversion, part.weight = self.conversion[rows], self.weight[rows]
        part.share = None if self.share is None else self.share[rows]
        part.value = None if self.value is None else self.value[rows]
        return part


class Term(NamedTuple):
    """A task's part: its loss summed over the rows it speaks of, over n; and those rows' share of n."""

    task: str
    weight: float
    loss: Tensor
    share: Tensor | None
    """None: all rows."""


def terms(outputs: Tensor, targets: Targets, config: TrainConfig) -> Iterator[Term]:
    """The tasks' losses, in the order of the heads, the joint of click and conversion after its head.

    A placed label happens with probability e g p (position-based; PAL, Guo et al. 2019), so the place is in
    the likelihood and never in p. A conversion given a click is judged on mature clicks; the joint
    p_click p_conversion_given_click on all mature rows (ESMM, Ma et al., SIGIR 2018), so that unclicked
    rows teach it too. An order value has a gamma law with mean m: of all laws with a free mean its
    likelihood asks only that the standard deviation grows with the mean, and its fitted means add up to
    the values seen (a log-normal's do so only if its sigma is right). The loss is half its unit deviance,
    v / m - 1 - log(v / m), of converted rows.
    """
    clicked = targets.labels["click"]
    for number, head in enumerate(config.heads):
        output, weight = outputs[:, number], config.task_weights.get(head, 1.0)
        if head == "conversion_given_click":
            settled = clicked * targets.weight
            given = late_loss(output, settled, targets.conversion, targets.share)
            yield Term(head, weight, given.mean(), settled.mean())
            if config.entire_space:
                # Both at once: log p = log p_click + log p_conversion_given_click, over all shown ads.
                joint = F.logsigmoid(outputs[:, 0]) + F.logsigmoid(output) + targets.seen
                if targets.share is not None:
                    joint = joint + targets.share.clamp(min=1e-30).log()
                missed = torch.log1p(-torch.exp(joint.clamp(max=-1e-6)))
                bought = targets.conversion
                both = -(bought * joint + (1 - bought) * missed) * targets.weight
                yield Term(JOINT, config.entire_space, both.mean(), targets.weight.mean())
        elif head == "order_value":
            assert targets.value is not None  # `Labels.of` names a column that is absent
            paid = targets.conversion * targets.weight * (targets.value > 0)
            above = (targets.value - output).clamp(max=FURTHEST)
            yield Term(head, weight, (paid * (torch.expm1(above) - above)).mean(), paid.mean())
        else:
            label = targets.labels[head]
            # log(1 - x p) = log(p (1 - x) + (1 - p)), without ever leaving logarithms
            happened = F.logsigmoid(output) + targets.seen
            missed = torch.logaddexp(F.logsigmoid(output) + targets.unseen, F.logsigmoid(-output))
            yield Term(head, weight, -(label * happened + (1 - label) * missed).mean(), None)


def loss(
    outputs: Tensor, targets: Targets, config: TrainConfig, log_variance: Tensor | None = None
) -> Tensor:
    """The weighted sum of the tasks' losses, a row.

    Parameters:
        outputs: float32 [n, heads] of the network.
        log_variance: s [heads + 1] (the joint's last) where tasks are weighted by learned uncertainty:
            each counts exp(-s) L + share s / 2 (Kendall, Gal and Cipolla, CVPR 2018, with a task's noise
            term counted on the rows that it speaks of). None: fixed weights alone, as epochs are compared.
    """
    total = outputs.new_zeros(())
    for term in terms(outputs, targets, config):
        part = term.loss if term.weight == 1.0 else term.weight * term.loss
        if log_variance is not None:
            s = log_variance[-1 if term.task == JOINT else config.heads.index(term.task)]
            part = torch.exp(-s) * part + 0.5 * s * (1.0 if term.share is None else term.share)
        total = total + part
    return total


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
