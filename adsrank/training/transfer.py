"""What the tasks do to each other: each of them learned alone, against all learned together."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.models.exposure import ExposureCurve
from adsrank.models.heads import PLACED, VALUES
from adsrank.training.amount import deviance, paid_rows
from adsrank.training.calibrate import speaks
from adsrank.training.config import TrainConfig
from adsrank.training.fit import Progress, fit_rows
from adsrank.training.labels import Labels
from adsrank.training.prepare import Prepared, prepare_table
from adsrank.training.rows import evenly
from adsrank.training.train import check_labels, threads
from calibration import IsotonicCalibrator
from calibration.errors import CalibrationError
from calibration.metrics import Interval, with_interval

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

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

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        names = [field.name for field in fields(TaskTransfer)]
        tasks = tuple(TaskTransfer(**{name: task[name] for name in names}) for task in data["tasks"])
        return cls(tasks, tuple(data["undecided"]), data["seeds"])

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
        progress, seeds: as of `transfer_prepared`.

    Raises:
        InputError: as of `train`, or `config` has one head only.
    """
    config = config or TrainConfig()
    check_heads_to_compare(config)
    prepared = prepare_table(table, spec or FeatureSpec.default(), config)
    with threads(config.threads):
        return transfer_prepared(prepared, config, progress, seeds)


def check_heads_to_compare(config: TrainConfig) -> None:
    """Raises InputError where there is one head, which is alone already."""
    if len(config.heads) < 2:
        raise InputError("heads", ", ".join(config.heads), "give two or more to compare alone with together")


def transfer_prepared(
    prepared: Prepared, config: TrainConfig, progress: Progress | None = None, seeds: int = 1
) -> TransferReport:
    """`transfer` of rows that are encoded already.

    Parameters:
        progress: called as progress(stage, done, total) with the rows of each fit, stage "transfer, fit 2
            of 5".
        seeds: fits a model, from `config.seed` on, whose losses are averaged.

    Each probability is calibrated on the calibration rows first, so that what is compared is what could
    serve. The interval is a bootstrap of the test rows' paired losses, requests (rows of one moment)
    drawn as a whole: it does not hold what another seed would change, which more `seeds` make less.
    """
    check_labels(prepared)
    settings = [config, *(_alone(config, head) for head in config.heads)]
    fits, rows = len(settings) * seeds, len(prepared.train) * config.epochs
    losses: list[dict[str, Float64]] = []
    for number, setting in enumerate(settings):
        runs = []
        for seed in range(seeds):
            stage = f"transfer, fit {number * seeds + seed + 1} of {fits}"
            seeded = setting.model_copy(update={"seed": config.seed + seed})
            runs.append(_losses(prepared, seeded, _under(stage, progress)))
            if progress is not None:
                progress(stage, rows, rows)  # a fit may stop before its last epoch
        losses.append({head: np.mean([run[head] for run in runs], 0) for head in runs[0]})
    together, tasks, undecided = losses[0], [], []
    test = evenly(prepared.test, config.window_rows)[1]
    for head, own in zip(config.heads, losses[1:], strict=True):
        found = _compare(head, own[head], together[head], test)
        if found is None:
            undecided.append(head)
        else:
            tasks.append(found)
    return TransferReport(tuple(tasks), tuple(undecided), seeds)


def _under(stage: str, progress: Progress | None) -> Progress | None:
    """`progress` that says `stage` whatever the fit calls it."""
    return None if progress is None else lambda _, done, total: progress(stage, done, total)


def _alone(config: TrainConfig, head: str) -> TrainConfig:
    """The same settings with one head; a head without a place has no exposure to learn."""
    learn = config.learn_exposure and head in PLACED
    return config.model_copy(update={"heads": (head,), "entire_space": 0.0, "learn_exposure": learn})


def _losses(prepared: Prepared, config: TrainConfig, progress: Progress | None) -> dict[str, Float64]:
    """Each head's loss on the test rows that its label speaks of."""
    fitted = fit_rows(prepared.transform, prepared.train, prepared.calibrate, config, progress)
    network, curve = fitted.network, fitted.exposure
    later, later_labels = evenly(prepared.calibrate, config.window_rows)
    last, last_labels = evenly(prepared.test, config.window_rows)
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
