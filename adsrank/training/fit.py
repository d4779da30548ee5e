"""Fitting the network: minibatches sliced from column tensors, the exposure refitted between epochs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adsrank.errors import InputError
from adsrank.features.batch import FeatureBatch
from adsrank.features.transform import CompiledTransform
from adsrank.models.exposure import ExposureCurve, fit_exposure
from adsrank.models.half import HalfTensors, tensors
from adsrank.models.heads import PLACED
from adsrank.models.multitask import MultiTask
from adsrank.training.checkpoint import Checkpoints, Standing
from adsrank.training.config import TrainConfig
from adsrank.training.delay.targets import LateRule
from adsrank.training.journal import Journal, Silent
from adsrank.training.labels import Labels
from adsrank.training.loss import Targets, loss
from adsrank.training.order import EpochOrder, side_by_side
from adsrank.training.rows import MemoryRows, Rows, evenly, joined, joined_labels
from adsrank.training.step import Stepper
from adsrank.training.workers import Workers

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total); rows in the training stages."""

CHUNK = 8192
"""Rows scored at a time."""

TELL_EVERY = 50
"""Steps between two records of the training loss."""


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
    """`fit_rows` of rows that are in memory."""
    return fit_rows(transform, MemoryRows(batch, labels), MemoryRows(later, later_labels), config, progress)


def fit_rows(
    transform: CompiledTransform,
    known: Rows,
    later: Rows,
    config: TrainConfig,
    progress: Progress | None = None,
    *,
    start: dict[str, Tensor] | None = None,
    checkpoints: Checkpoints | None = None,
    journal: Journal | None = None,
    workers: Workers | None = None,
) -> Fitted:
    """Train on `known`, keep the epoch with the least loss on `later`.

    Parameters:
        known: the training rows; later: rows of a later time, only for the choice of the epoch.
        start: weights to begin with; they count as an epoch, so that the result is never worse on `later`.
        checkpoints: where to go on from, and to leave where the fit stands.
        workers: of which this process is one; each must be given the same rows.

    The exposure is fitted before the first epoch and again after each, given the network's p, and
    held fixed in between. With one thread the result is a function of (rows, start, config) to the bit,
    however often the fit was killed and resumed.
    """
    return _Fit(
        transform,
        known,
        later,
        config,
        progress or (lambda stage, done, total: None),
        checkpoints,
        journal or Silent(),
        workers or Workers(),
    ).run(start)


class _Fit:
    def __init__(
        self,
        transform: CompiledTransform,
        known: Rows,
        later: Rows,
        config: TrainConfig,
        progress: Progress,
        checkpoints: Checkpoints | None,
        journal: Journal,
        workers: Workers,
    ) -> None:
        self.known, self.later, self.config = known, later, config
        self.progress, self.checkpoints, self.journal, self.workers = progress, checkpoints, journal, workers
        self.transform = transform
        self.unknown = torch.from_numpy(transform.unknown_)
        self.network = MultiTask.of(transform, config.heads, config.model)
        self.generator = torch.Generator().manual_seed(config.seed)

    def run(self, start: dict[str, Tensor] | None) -> Fitted:
        config = self.config
        self.late = self._late()
        snapshot = None if self.checkpoints is None else self.checkpoints.load()
        standing = self._begin(start) if snapshot is None else snapshot.standing
        self.stepper = Stepper(self.network, config, config.epochs * self._order(0).batches(), self.workers)
        if snapshot is not None:
            self.network.load_state_dict(_named(snapshot.tensors, "network."))
            self.generator.set_state(snapshot.tensors["generator"])
            self.stepper.restore(snapshot.tensors, snapshot.numbers)
            self.journal.back_to(self.stepper.step)
        while not standing.done:
            self._epoch(standing)
            self._judge(standing)
            standing.epoch, standing.batch = standing.epoch + 1, 0
            standing.done = standing.epoch >= config.epochs or standing.waited >= config.patience
            self._save(standing)
        self.network.load_state_dict(standing.best)
        self.network.eval()
        rows = len(self.known) * len(standing.losses)
        return Fitted(
            self.network,
            standing.best_exposure,
            standing.losses,
            rows / max(standing.seconds, 1e-9),
            rows / max(standing.busy, 1e-9),
        )

    def _begin(self, start: dict[str, Tensor] | None) -> Standing:
        batch, labels = evenly(self.known, self.config.window_rows)
        exposure = _exposure(labels, _base_rates(labels, self.config), self.config)
        self.network.initialize(
            self.generator,
            _rates(labels, exposure, self.config, self.late),
            torch.from_numpy(self.transform.silent_),
        )
        if start is None:
            return Standing(exposure, _copy(self.network), exposure)
        self.network.load_state_dict(start)
        if self.config.learn_exposure:
            exposure = _exposure(labels, self._placed(batch), self.config)
        return Standing(exposure, _copy(self.network), exposure, self._loss(exposure))

    def _late(self) -> LateRule | None:
        """The rule for clicks that may still convert, its law fitted to the training rows' clicks."""
        if self.config.late_conversions == "mature_only" or not self.config.attribution_days:
            return None
        labels = evenly(self.known, self.config.window_rows)[1]
        clicks = labels.feedback(self.config.attribution_days * 86_400).take(labels.click > 0)
        return LateRule.fit(clicks, self.config.late_conversions)

    def _order(self, epoch: int) -> EpochOrder:
        config = self.config
        return EpochOrder(len(self.known), config.window_rows, config.batch_size, config.seed, epoch)

    def _epoch(self, standing: Standing) -> None:
        n, batch_size = len(self.known), self.config.batch_size
        told, since = 0.0, 0
        done = min(n, standing.batch * batch_size)
        started, worked = perf_counter(), thread_time()
        for asked, offered, targets in self._batches(standing):
            if self.config.unknown_rate:
                offered = _forget(offered, self.unknown, self.config.unknown_rate, self.generator)
            told += self.stepper(asked, offered, targets)
            since += 1
            standing.batch += 1
            done += len(offered.ids)
            self.progress("train", standing.epoch * n + done, self.config.epochs * n)
            if since == TELL_EVERY:
                self._tell(
                    "train",
                    {"epoch": standing.epoch, "loss": told / since, "learning_rate": self.stepper.rate()},
                )
                told, since = 0.0, 0
            if self.checkpoints is not None and self.checkpoints.due():
                now, at_work = perf_counter(), thread_time()
                standing.seconds += now - started
                standing.busy += at_work - worked
                self._save(standing)
                started, worked = perf_counter(), thread_time()
        standing.seconds += perf_counter() - started
        standing.busy += thread_time() - worked

    def _batches(self, standing: Standing) -> Iterator[tuple[HalfTensors, HalfTensors, Targets]]:
        """The epoch's batches from `standing.batch` on."""
        size, skip = self.config.batch_size, standing.batch
        for window in self._order(standing.epoch).windows():
            batches = -(-len(window.order) // size)
            if skip >= batches:
                skip -= batches
                continue
            read = [self.known.read(*block) for block in window.blocks]
            batch, labels = joined([one for one, _ in read]), joined_labels([told for _, told in read])
            targets = Targets(labels, standing.exposure, self.late)
            del read
            asked, offered = tensors(batch.request), tensors(batch.ad)
            order = torch.from_numpy(
                # A request's actions, the dear part, are then encoded once for all its rows.
                side_by_side(window.order, labels.time) if asked.sequences else window.order
            )
            for first in range(skip * size, len(order), size):
                rows = order[first : first + size]
                yield asked.take(rows), offered.take(rows), targets.take(rows)
            skip = 0

    def _judge(self, standing: Standing) -> None:
        """Refit the exposure, and see whether this epoch is the best so far."""
        self.stepper.settle()
        if self.config.learn_exposure:
            batch, labels = evenly(self.known, self.config.window_rows)
            standing.exposure = _exposure(labels, self._placed(batch), self.config)
        standing.losses.append(self._loss(standing.exposure))
        told = {
            "epoch": standing.epoch,
            "loss": standing.losses[-1],
            "best_loss": min(standing.losses[-1], standing.best_loss),
            "rows_per_s": len(self.known) * len(standing.losses) / max(standing.seconds, 1e-9),
        }
        self._tell("later", told)
        if standing.losses[-1] <= standing.best_loss:
            standing.best, standing.best_loss, standing.waited = _copy(self.network), standing.losses[-1], 0
            standing.best_exposure = standing.exposure
        else:
            standing.waited += 1

    def _tell(self, part: str, values: dict[str, Any]) -> None:
        """Note the figures; a fit that diverged ends here, before its weights count as the best."""
        for name, value in values.items():
            if not math.isfinite(value):
                raise InputError(
                    f"{part} {name}",
                    value,
                    f"the fit diverged by step {self.stepper.step}: lower learning_rate",
                )
        self.journal.record(part, self.stepper.step, values)

    def _placed(self, batch: FeatureBatch) -> np.ndarray:
        """[n, placed heads] of the network's probabilities; each worker scores its share."""
        own = self.workers.share(len(batch))
        found = self.network.probabilities(batch if self.workers.size == 1 else batch.take(own))
        return self.workers.gather(
            np.stack([found[head] for head in PLACED if head in self.config.heads], 1), len(batch)
        )

    @torch.inference_mode()
    def _loss(self, exposure: ExposureCurve) -> float:
        """Mean loss on the later rows; each worker goes through its share of the chunks."""
        n = len(self.later)
        starts = range(0, n, CHUNK)
        own = []
        for begin in starts[self.workers.share(len(starts))]:
            batch, labels = self.later.read(begin, min(begin + CHUNK, n))
            logits = self.network(tensors(batch.request), tensors(batch.ad))
            own.append(float(loss(logits, Targets(labels, exposure, self.late), self.config)) * len(batch))
        return float(sum(self.workers.gather(np.array(own), len(starts)).tolist())) / n

    def _save(self, standing: Standing) -> None:
        if self.checkpoints is None or self.workers.rank != 0:
            return
        held, numbers = self.stepper.state()
        network = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        self.checkpoints.save({**held, **network, "generator": self.generator.get_state()}, numbers, standing)


def _exposure(labels: Labels, probabilities: np.ndarray, config: TrainConfig) -> ExposureCurve:
    if not config.learn_exposure:
        return ExposureCurve.flat(config.exposure.positions)
    observed = np.stack([labels.of(head) for head in PLACED if head in config.heads], 1)
    return fit_exposure(labels.position, labels.gap, observed, probabilities, config.exposure)


def _base_rates(labels: Labels, config: TrainConfig) -> np.ndarray:
    """[n, placed heads]: what a model that knows nothing says; its level is free in the fit."""
    rates = [max(float(labels.of(head).mean()), 1e-6) for head in PLACED if head in config.heads]
    return np.broadcast_to(np.array(rates), (len(labels), len(rates)))


def _rates(
    labels: Labels, exposure: ExposureCurve, config: TrainConfig, late: LateRule | None
) -> dict[str, float]:
    """The rate each head starts from: labels over exposure; conversions over the clicks that tell."""
    share = float(labels.exposure(exposure).sum())
    rates = {
        head: float(labels.of(head).sum() + 0.5) / (share + 1) for head in PLACED if head in config.heads
    }
    if "order_value" in config.heads:
        rates["order_value"] = labels.order_value_mean()
    conversion = labels.conversion_rate()
    if late is not None:
        clicks = labels.take(np.flatnonzero(labels.click))
        conversion = late.rate(clicks.feedback(late.window_s), clicks.known)
    return {**rates, "conversion_given_click": conversion}


def _forget(ad: HalfTensors, unknown: Tensor, rate: float, generator: torch.Generator) -> HalfTensors:
    """Some ids become "any other", so that its embedding stands for an ad never seen."""
    hit = (torch.rand(ad.ids.shape, generator=generator) < rate) & (unknown > 0)
    return ad._replace(ids=torch.where(hit, unknown, ad.ids))


def _copy(network: MultiTask) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _named(tensors: dict[str, Tensor], before: str) -> dict[str, Tensor]:
    return {name.removeprefix(before): value for name, value in tensors.items() if name.startswith(before)}
