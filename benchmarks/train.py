"""Training speed and quality on the shared table: MMoE of 256-128, embedding 16, one pass, one thread."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.config import ModelConfig
from adsrank.training.config import TrainConfig
from adsrank.training.fit import Fitted, fit_network
from adsrank.training.labels import Labels
from benchmarks.row import Row
from calibration import metrics

MAKE_TABLE = Path(__file__).resolve().parents[1] / ".." / "shared" / "bench" / "make_table.py"
HOLD_OUT = 20_000

CONFIG = TrainConfig(
    batch_size=4096,
    epochs=1,
    learning_rate=4e-3,
    weight_decay=0.0,
    embedding_decay=0.0,
    embedding_epsilon=1e-8,
    unknown_rate=0.0,
    entire_space=1.0,
    attribution_days=0.0,
    heads=("click", "conversion_given_click"),
    learn_exposure=False,
    model=ModelConfig(embedding=16, experts=4, hidden=256, output=128, tower=64, products=False),
)


def shared_table(rows: int = 220_000) -> dict[str, np.ndarray]:
    """The table that the shared script makes: X [rows, 20] of ids, click, buy."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        subprocess.run(
            [sys.executable, str(MAKE_TABLE), str(rows), str(path)], check=True, stdout=subprocess.DEVNULL
        )
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in ("X", "click", "buy")}


def fit(found: dict[str, np.ndarray], config: TrainConfig = CONFIG) -> tuple[Fitted, dict[str, float]]:
    """One pass over all but the hold-out, by the trainer that `adsrank train` runs; its figures."""
    names = [f"f{number}" for number in range(found["X"].shape[1])]
    rows = [
        {
            "name": name,
            "source": name,
            "type": "integer",
            "transform": "vocabulary",
            "group": "ad",
            "min_count": 1,
        }
        for name in names
    ]
    spec = FeatureSpec.model_validate({"extra_sources": names, "features": rows})
    table = pa.table({name: found["X"][:, number] for number, name in enumerate(names)})
    n, none = len(table), np.zeros(len(table))
    click, buy = found["click"].astype(float), found["buy"].astype(float)
    labels = Labels(
        np.arange(n),
        np.ones(n, np.int64),
        np.zeros(n, np.int64),
        click,
        none,
        none,
        buy,
        np.ones(n, np.bool_),
    )
    train, test = np.arange(n - HOLD_OUT), np.arange(n - HOLD_OUT, n)
    transform = CompiledTransform.fit(table.slice(0, len(train)), spec)
    batch = transform.apply(table)
    fitted = fit_network(
        transform, batch.take(train), labels.take(train), batch.take(test), labels.take(test), config
    )
    raw = fitted.network.probabilities(batch.take(test))
    joint = raw["click"] * raw["conversion_given_click"]
    return fitted, {
        "click_auc": metrics.auc(raw["click"], click[test]),
        "click_pcoc": metrics.pcoc(raw["click"], click[test]),
        "buy_auc": metrics.auc(joint, buy[test]),
        "buy_pcoc": metrics.pcoc(joint, buy[test]),
    }


def rows() -> Iterator[Row]:
    """Figures; nothing where the shared script is absent."""
    if not MAKE_TABLE.is_file():
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fitted, found = fit(shared_table())
    finally:
        torch.set_num_threads(threads)
    yield Row(
        "train MMoE 256-128 x 4, embedding 16, batch 4096, one thread",
        fitted.rows_per_s,
        "rows/s",
        ">= 15000",
    )
    yield Row("train MMoE: the same per processor second", fitted.rows_per_cpu_s, "rows/s")
    yield Row("train MMoE: click AUC after one pass", found["click_auc"], "", ">= 0.6946")
    yield Row("train MMoE: click PCOC on the hold-out, uncalibrated", found["click_pcoc"], "")
    yield Row("train MMoE: buy AUC after one pass", found["buy_auc"], "")
    yield Row("train MMoE: buy PCOC on the hold-out, uncalibrated", found["buy_pcoc"], "")
