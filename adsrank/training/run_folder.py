"""The folder of one training run: settings, figures as they come, checkpoints, the report."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adsrank.errors import InputError
from adsrank.training.config import TrainConfig

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

CONFIG, METRICS, REPORT = "config.json", "metrics.jsonl", "report.json"


class RunFolder:
    """`config.json`, `metrics.jsonl`, `tensorboard/`, `checkpoints/` and, at the end, `report.json`.

    A journal: each record is a line of `metrics.jsonl`, {"part", "step", ...figures}, and a scalar
    `part/figure` of the event files that TensorBoard reads.

    Raises:
        InputError: a run is there already and `resume` was not asked for, or none is there and it was; or
            the folder cannot be written.
    """

    def __init__(self, folder: str | Path, resume: bool = False) -> None:
        self.folder = Path(folder)
        there = (self.folder / CONFIG).exists()
        if there and not resume:
            raise InputError(str(self.folder), "a run is there", "resume it, or give another folder")
        if resume and not there:
            raise InputError(str(self.folder), "no run is there", "start one without resuming")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        self._events: SummaryWriter | None = None

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def rows(self) -> Path:
        """Where a table is encoded that is too long for memory."""
        return self.folder / "rows"

    @property
    def learned(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(self.checkpoints.glob("[0-9]*"))

    def begin(self, config: TrainConfig, about: dict[str, Any]) -> None:
        """Write what is trained, over what an attempt that learned nothing left."""
        self.withdraw()
        self._write(CONFIG, {**about, "config": config.model_dump(mode="json")})

    def withdraw(self) -> None:
        """There is no run: it was refused before it learned anything."""
        for name in (CONFIG, METRICS):
            (self.folder / name).unlink(missing_ok=True)

    def record(self, part: str, step: int, values: dict[str, Any]) -> None:
        """Add a line and the event file's scalars.

        Raises:
            InputError: the folder cannot be written.
        """
        from tensorboardX import SummaryWriter  # loads protobuf: only for those who keep a run

        line = json.dumps({"part": part, "step": step, **values}, allow_nan=False)
        try:
            with open(self.folder / METRICS, "a", encoding="utf-8") as file:
                file.write(line + "\n")
            if self._events is None:
                self._events = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step)
            for name, value in values.items():
                if name != "epoch":
                    self._events.add_scalar(f"{part}/{name}", float(value), step)
            self._events.flush()
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    def back_to(self, step: int) -> None:
        """Drop the lines after `step`, a torn last one included; TensorBoard purges as the run goes on."""
        path = self.folder / METRICS
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            kept = [line for line in lines if _step(line) <= step]
            part = self.folder / f".{METRICS}"
            part.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    def finish(self, report: dict[str, Any]) -> None:
        """Write the report."""
        self._write(REPORT, report)
        self.close()

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _write(self, name: str, data: dict[str, Any]) -> None:
        part = self.folder / f".{name}"
        try:
            part.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")
            os.replace(part, self.folder / name)
        except OSError as error:
            raise _unwritable(self.folder, error) from None


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(str(folder), error.strerror or str(error)[:120], "give a folder with room to write in")
