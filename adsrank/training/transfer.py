"""What the tasks do to each other: each of them learned alone, against all learned together."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from adsrank.features.batch import FeatureBatch
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.exposure import ExposureCurve
from adsrank.models.heads import PLACED, VALUES
from adsrank.training.amount import deviance, paid_rows
from adsrank.training.calibrate import speaks
from adsrank.training.config import TrainConfig
from adsrank.training.fit import Progress, fit_network
from adsrank.training.labels import Labels, by_time
from adsrank.training.split import Split
from calibration import IsotonicCalibrator
from calibration.errors import CalibrationError
from calibration.metrics import Interval, with_interval

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Pieces = tuple[tuple[FeatureBatch, Labels], ...]

COLUMNS = ["head", "rows", "alone", "together", "change", "95 %", "verdict"]


@dataclass(frozen=True, slots=True)
class TaskTransfer:
    """One task's loss on the test rows over that of the rows' own rate (or mean), alone and together.

    For probabilities that is normalized entropy; for amounts the same of the gamma deviance.
    """

    head: str
    rows: int
    alone: float
    together: float
    change: float
    """together - alone: below 0 the other tasks help."""
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`hurts` (negative transfer) or `helps` where the interval leaves 0 out."""
        if self.low > 0:
            return "hurts"
        return "helps" if self.high < 0 else "no difference seen"


@dataclass(frozen=True, slots=True)
class TransferReport:
    """The tasks, and those left out because the test rows cannot judge them."""

    tasks: tuple[TaskTransfer, ...]
    undecided: tuple[str, ...]
    seeds: int

    def to_json(self) -> dict[str, Any]:
        return {
            "tasks": [{**asdict(task), "verdict": task.verdict} for task in self.tasks],
            "undecided": list(self.undecided),
            "seeds": self.seeds,
        }

    def rows(self) -> list[list[object]]:
        """A printed row a task, under `COLUMNS`."""
        return [
            [
                task.head,
                f"{task.rows:,}",
                f"{task.alone:.4f}",
                f"{task.together:.4f}",
                f"{task.change:+.4f}",
                f"{task.low:+.4f} .. {task.high:+.4f}",
                task.verdict,
            ]
            for task in self.tasks
        ]


def transfer(
    table: pa.Table,
    spec: FeatureSpec | None = None,
    config: TrainConfig | None = None,
    progress: Progress | None = None,
    seeds: int = 1,
) -> TransferReport:
    """Train all heads of `config` together, then each alone, and judge both on the test rows.

    Parameters:
        table, spec, config: as of `train`; the split and the settings are the same for all.
        progress: called as progress("transfer", done, total), a fit each.
        seeds: fits a model, from `config.seed` on, whose losses are averaged.

    Each probability is calibrated on the calibration rows first, so that what is compared is what could
    serve. The interval is a bootstrap of the test rows' paired losses, requests (rows of one moment)
    drawn as a whole: it does not hold what another seed would change, which more `seeds` make less.

    Raises:
        InputError: as of `train`.
    """
    spec, config = spec or FeatureSpec.default(), config or TrainConfig()
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return _transfer(table, spec, config, progress or (lambda stage, done, total: None), seeds)
    finally:
        torch.set_num_threads(threads)


def _transfer(
    table: pa.Table, spec: FeatureSpec, config: TrainConfig, progress: Progress, seeds: int
) -> TransferReport:
    table = by_time(table)
    labels = Labels.read(table, config.attribution_days)
    split = Split.by_time(labels, config.split)
    transform = CompiledTransform.fit(table.slice(0, split.train_end), spec)
    batch = transform.apply(table)
    pieces = tuple(
        (batch.take(rows), labels.take(rows)) for rows in (split.train, split.calibrate, split.test)
    )
    settings = [config, *(_alone(config, head) for head in config.heads)]
    losses: list[dict[str, Float64]] = []
    for number, setting in enumerate(settings):
        runs = []
        for seed in range(seeds):
            runs.append(_losses(transform, pieces, setting.model_copy(update={"seed": config.seed + seed})))
            progress("transfer", number * seeds + seed + 1, len(settings) * seeds)
        losses.append({head: np.mean([run[head] for run in runs], 0) for head in runs[0]})
    together, test, tasks, undecided = losses[0], pieces[2][1], [], []
    for head, own in zip(config.heads, losses[1:], strict=True):
        found = _compare(head, own[head], together[head], test)
        if found is None:
            undecided.append(head)
        else:
            tasks.append(found)
    return TransferReport(tuple(tasks), tuple(undecided), seeds)


def _alone(config: TrainConfig, head: str) -> TrainConfig:
    """The same settings with one head; a head without a place has no exposure to learn."""
    learn = config.learn_exposure and head in PLACED
    return config.model_copy(update={"heads": (head,), "entire_space": 0.0, "learn_exposure": learn})


def _losses(transform: CompiledTransform, pieces: Pieces, config: TrainConfig) -> dict[str, Float64]:
    """Each head's loss on the test rows that its label speaks of."""
    (known, known_labels), (later, later_labels), (last, last_labels) = pieces
    fitted = fit_network(transform, known, known_labels, later, later_labels, config)
    network, curve = fitted.network, fitted.exposure
    found = {}
    raw_later, raw = network.probabilities(later), network.probabilities(last)
    for head, scores in raw.items():
        rows, placed = speaks(head, later_labels)
        share = later_labels.exposure(curve)[rows] if placed else None
        calibrator = IsotonicCalibrator().fit(
            raw_later[head][rows], later_labels.of(head)[rows], exposure=share
        )
        rows, _ = speaks(head, last_labels)
        p = calibrator.transform(scores[rows])
        found[head] = _entropy(p * _share(head, last_labels, curve)[rows], last_labels.of(head)[rows])
    for head, expected in network.values(last).items():
        rows = _judged(head, last_labels)
        found[head] = deviance(last_labels.of(head)[rows], expected[rows])
    return found


def _compare(head: str, alone: Float64, together: Float64, labels: Labels) -> TaskTransfer | None:
    rows = _judged(head, labels)
    seen = labels.of(head)[rows]
    if len(seen) < 2 or seen.min() == seen.max():
        return None
    average = np.full(len(seen), seen.mean())
    base = deviance(seen, average) if head in VALUES else _entropy(average, seen)

    def change(
        scores: Float64, labels: Float64, weight: Float64, *, differs: Float64, base: Float64
    ) -> float:
        return float(weight @ differs) / float(weight @ base)

    nothing = np.zeros(len(seen))  # the paired losses are all that is resampled
    try:
        interval: Interval = with_interval(
            change, nothing, nothing, seed=0, cluster=labels.time[rows], differs=together - alone, base=base
        )
    except CalibrationError:
        return None
    total = float(base.sum())
    return TaskTransfer(
        head,
        len(seen),
        float(alone.sum()) / total,
        float(together.sum()) / total,
        interval.value,
        interval.low,
        interval.high,
    )


def _judged(head: str, labels: Labels) -> Bool:
    return paid_rows(head, labels) if head in VALUES else speaks(head, labels)[0]


def _share(head: str, labels: Labels, curve: ExposureCurve) -> Float64:
    return labels.exposure(curve) if speaks(head, labels)[1] else np.ones(len(labels))


def _entropy(p: Float64, seen: Float64) -> Float64:
    p = np.clip(p, 1e-15, 1 - 1e-15)
    found: Float64 = -np.where(seen > 0, np.log(p), np.log1p(-p))
    return found
