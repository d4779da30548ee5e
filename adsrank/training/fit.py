"""Fitting the network: minibatches sliced from column tensors, the exposure refitted between epochs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, thread_time

import numpy as np
import torch
from torch import Tensor

from adsrank.features.batch import FeatureBatch
from adsrank.features.transform import CompiledTransform
from adsrank.models.exposure import ExposureCurve, fit_exposure
from adsrank.models.half import HalfTensors, tensors
from adsrank.models.heads import PLACED
from adsrank.models.multitask import MultiTask
from adsrank.training.config import TrainConfig
from adsrank.training.labels import Labels
from adsrank.training.loss import Targets, loss

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total); rows in the training stages."""


@dataclass(slots=True)
class Fitted:
    """The network of the best epoch, its exposure, and how the fit went."""

    network: MultiTask
    exposure: ExposureCurve
    losses: list[float] = field(default_factory=list)
    """Mean loss on the later rows after each epoch."""
    rows_per_s: float = 0.0
    rows_per_cpu_s: float = 0.0
    """The same per second of this thread's processor time: steadier on a machine that is shared."""


def fit_network(
    transform: CompiledTransform,
    batch: FeatureBatch,
    labels: Labels,
    later: FeatureBatch,
    later_labels: Labels,
    config: TrainConfig,
    progress: Progress | None = None,
) -> Fitted:
    """Train on `batch`, keep the epoch with the least loss on `later`.

    Parameters:
        batch, labels: the training rows; later, later_labels: rows of a later time, only for the
            choice of the epoch.

    The exposure is fitted before the first epoch and again after each, given the network's p, and
    held fixed in between. With one thread the result is a function of (rows, config) to the bit.
    """
    n = len(batch)
    shuffler = np.random.Generator(np.random.PCG64(config.seed))
    generator = torch.Generator().manual_seed(config.seed)
    exposure = _exposure(labels, _base_rates(labels, config), config)
    network = MultiTask.of(transform, config.heads, config.model)
    network.initialize(generator, _rates(labels, exposure, config), torch.from_numpy(transform.silent_))
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [network.embedding.weight],
                "weight_decay": config.embedding_decay,
                "eps": config.embedding_epsilon,
            },
            {
                "params": [p for name, p in network.named_parameters() if not name.startswith("embedding")],
                "weight_decay": config.weight_decay,
            },
        ],
        lr=config.learning_rate,
        fused=True,
    )
    halves = tensors(batch.request), tensors(batch.ad)
    unknown = torch.from_numpy(transform.unknown_)
    result = Fitted(network, exposure)
    best, waited, seconds, busy = _copy(network), 0, 0.0, 0.0
    for epoch in range(config.epochs):
        targets = Targets(labels, exposure)
        order = torch.from_numpy(shuffler.permutation(n))
        started, worked = perf_counter(), thread_time()
        for start in range(0, n, config.batch_size):
            rows = order[start : start + config.batch_size]
            asked, offered = halves[0].take(rows), halves[1].take(rows)
            if config.unknown_rate:
                offered = _forget(offered, unknown, config.unknown_rate, generator)
            optimizer.zero_grad(set_to_none=True)
            outputs = network(asked, offered)
            total = loss(outputs, targets.take(rows), config, network.log_variance)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if progress is not None:
                progress("train", epoch * n + start + len(rows), config.epochs * n)
        seconds += perf_counter() - started
        busy += thread_time() - worked
        if config.learn_exposure:
            exposure = _exposure(labels, _placed(network.probabilities(batch), config), config)
        result.losses.append(_mean_loss(network, later, Targets(later_labels, exposure), config))
        if result.losses[-1] <= min(result.losses):
            best, waited = _copy(network), 0
            result.exposure = exposure
        else:
            waited += 1
            if waited >= config.patience:
                break
    network.load_state_dict(best)
    network.eval()
    result.rows_per_s = n * len(result.losses) / max(seconds, 1e-9)
    result.rows_per_cpu_s = n * len(result.losses) / max(busy, 1e-9)
    return result


@torch.inference_mode()
def _mean_loss(network: MultiTask, batch: FeatureBatch, targets: Targets, config: TrainConfig) -> float:
    request, ad = tensors(batch.request), tensors(batch.ad)
    total, n = 0.0, len(batch)
    for start in range(0, n, 8192):
        rows = torch.arange(start, min(start + 8192, n))
        logits = network(request.take(rows), ad.take(rows))
        total += float(loss(logits, targets.take(rows), config)) * len(rows)
    return total / n


def _exposure(labels: Labels, probabilities: np.ndarray, config: TrainConfig) -> ExposureCurve:
    if not config.learn_exposure:
        return ExposureCurve.flat(config.exposure.positions)
    observed = np.stack([labels.of(head) for head in PLACED if head in config.heads], 1)
    return fit_exposure(labels.position, labels.gap, observed, probabilities, config.exposure)


def _placed(probabilities: dict[str, np.ndarray], config: TrainConfig) -> np.ndarray:
    return np.stack([probabilities[head] for head in PLACED if head in config.heads], 1)


def _base_rates(labels: Labels, config: TrainConfig) -> np.ndarray:
    """[n, placed heads]: what a model that knows nothing says; its level is free in the fit."""
    rates = [max(float(labels.of(head).mean()), 1e-6) for head in PLACED if head in config.heads]
    return np.broadcast_to(np.array(rates), (len(labels), len(rates)))


def _rates(labels: Labels, exposure: ExposureCurve, config: TrainConfig) -> dict[str, float]:
    """The rate each head starts from: labels over exposure; conversions over mature clicks."""
    share = float(labels.exposure(exposure).sum())
    rates = {
        head: float(labels.of(head).sum() + 0.5) / (share + 1) for head in PLACED if head in config.heads
    }
    if "order_value" in config.heads:
        rates["order_value"] = labels.order_value_mean()
    return {**rates, "conversion_given_click": labels.conversion_rate()}


def _forget(ad: HalfTensors, unknown: Tensor, rate: float, generator: torch.Generator) -> HalfTensors:
    """Some ids become "any other", so that its embedding stands for an ad never seen."""
    hit = (torch.rand(ad.ids.shape, generator=generator) < rate) & (unknown > 0)
    return ad._replace(ids=torch.where(hit, unknown, ad.ids))


def _copy(network: MultiTask) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
