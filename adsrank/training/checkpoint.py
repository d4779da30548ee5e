"""Where a fit stands, on disk: written whole or not at all, and read with suspicion."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from adsrank.errors import InputError
from adsrank.models.exposure import ExposureCurve

VERSION = 1
TENSORS, NUMBERS = "state.safetensors", "state.json"
MAX_JSON_BYTES = 64 * 2**20
KEPT = 2


@dataclass(slots=True)
class Standing:
    """Everything that a fit knows beside its network and optimizer."""

    exposure: ExposureCurve
    best: dict[str, Tensor]
    """Weights of the epoch with the least loss on later rows."""
    best_exposure: ExposureCurve
    best_loss: float = float("inf")
    epoch: int = 0
    batch: int = 0
    """Batches of the epoch that are done."""
    waited: int = 0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checkpoint as read."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]
    standing: Standing


class Checkpoints:
    """The checkpoints of one run, in a folder; the last two are kept.

    Parameters:
        folder: made if absent.
        fingerprint: of what is trained on and how: a checkpoint of another is refused.
        seconds: least time between two; 0 writes one after every step.
    """

    def __init__(self, folder: Path, fingerprint: str, seconds: float = 60.0) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.seconds = seconds
        self._last = monotonic()

    def due(self) -> bool:
        """Whether it is time for one."""
        return monotonic() - self._last >= self.seconds

    def save(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any], standing: Standing) -> None:
        """Write one; a process killed in here leaves the one before.

        Raises:
            InputError: the folder cannot be written.
        """
        whole = dict(tensors) | {f"best.{name}": value for name, value in standing.best.items()}
        content = save_tensors({name: value.detach().contiguous() for name, value in whole.items()})
        told = {
            "version": VERSION,
            "fingerprint": self.fingerprint,
            "sha256": hashlib.sha256(content).hexdigest(),
            "numbers": dict(numbers),
            "standing": {
                name: getattr(standing, name)
                for name in ("epoch", "batch", "waited", "losses", "seconds", "busy", "done")
            }
            | {
                "best_loss": None if standing.best_loss == float("inf") else standing.best_loss,
                "exposure": _curve(standing.exposure),
                "best_exposure": _curve(standing.best_exposure),
            },
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=self.folder))
            for name, text in ((TENSORS, content), (NUMBERS, json.dumps(told, allow_nan=False).encode())):
                with open(part / name, "wb") as out:
                    out.write(text)
                    out.flush()
                    os.fsync(out.fileno())
            number = 1 + max((int(path.name) for path in self._found()), default=0)
            part.rename(self.folder / f"{number:08d}")
            for old in self._found()[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
            for torn in self.folder.glob(".part-*"):
                shutil.rmtree(torn, ignore_errors=True)
        except OSError as error:
            raise InputError(
                str(self.folder), error.strerror or str(error)[:120], "give a folder with room to write in"
            ) from None
        self._last = monotonic()

    def load(self) -> Snapshot | None:
        """The latest, or None where there is none.

        Raises:
            InputError: it is of another table or configuration, or was altered; names the file.
        """
        found = self._found()
        if not found:
            return None
        path = found[-1]
        try:
            told = json.loads(_content(path / NUMBERS, MAX_JSON_BYTES))
            if told["version"] != VERSION:
                raise InputError(
                    str(path), told["version"], f"made by another release; this one reads {VERSION}"
                )
            if told["fingerprint"] != self.fingerprint:
                raise InputError(
                    str(path),
                    "of another table or configuration",
                    "resume with those of its run, or start anew",
                )
            content = (path / TENSORS).read_bytes()
            if hashlib.sha256(content).hexdigest() != told["sha256"]:
                raise InputError(str(path / TENSORS), "altered since it was saved", "remove the checkpoint")
            tensors = load_tensors(content)
            data = dict(told["standing"])
            if data["best_loss"] is None:
                data["best_loss"] = float("inf")
            for name in ("exposure", "best_exposure"):
                data[name] = ExposureCurve(*(np.array(data[name][part]) for part in ("examination", "gap")))
            best = {name[5:]: value for name, value in tensors.items() if name.startswith("best.")}
            rest = {name: value for name, value in tensors.items() if not name.startswith("best.")}
            return Snapshot(rest, told["numbers"], Standing(best=best, **data))
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(str(path), str(error)[:120], "remove the checkpoint, or start anew") from None

    def _found(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("[0-9]" * 8) if path.is_dir())


def _content(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise ValueError(f"{path.name} is larger than {most} bytes")
    return path.read_bytes()


def _curve(curve: ExposureCurve) -> dict[str, list[float]]:
    return {"examination": curve.examination.tolist(), "gap": curve.gap.tolist()}
