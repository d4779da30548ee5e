"""Prepares and trains a table of parts; prints how far the memory in use rose: FOLDER OUT WINDOW."""

import resource
import sys
from pathlib import Path

import torch

from adsrank.features.spec import FeatureSpec
from adsrank.training import TrainConfig
from adsrank.training.fit import fit_rows
from adsrank.training.run import prepare


def peak() -> int:
    """Bytes; of this program alone where the system tells it: `ru_maxrss` begins with the parent's."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    torch.set_num_threads(1)
    config = TrainConfig(epochs=1, batch_size=1024, window_rows=int(sys.argv[3]))
    before = peak()
    prepared = prepare(Path(sys.argv[1]), FeatureSpec.default(), config, Path(sys.argv[2]))
    fit_rows(prepared.transform, prepared.train, prepared.calibrate, config)
    sys.stdout.write(f"{peak() - before} {len(prepared.rows)}\n")
