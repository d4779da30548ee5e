"""Training speed and quality on the shared table, beside published libraries in the same run.

200,000 rows of 20 categorical fields, embedding 16, MLP 256-128 (four experts of it for MMoE), batches of
4,096, Adam, one pass, one thread; the last 20,000 rows are the hold-out. Ours trains on 180,000 and
calibrates on the 20,000 that follow, as `adsrank train` does; the libraries, by their own trainers, train on
all 200,000. Rates leave out reading and encoding for all. On a machine that does other work too, the rates
per processor second are the ones to compare.

    adsrank bench train
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.config import InteractionConfig, ModelConfig
from adsrank.training.config import ScheduleConfig, TrainConfig
from adsrank.training.fit import Fitted, fit_rows
from adsrank.training.labels import Labels
from adsrank.training.prepare import Prepared
from adsrank.training.rows import MemoryRows
from adsrank.training.split import Split
from calibration import IsotonicCalibrator, metrics
from calibration.metrics import with_interval

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "bench"
MAKE_TABLE, PEERS = SHARED / "make_table.py", SHARED / "bench_ctr.py"
FUXICTR_MODELS = Path(__file__).with_name("fuxictr_models")
HOLD_OUT = 20_000
BATCH = 4096

LIBRARIES = {
    "fuxictr": ["fuxictr==2.3.10", "h5py", "polars", "polars-runtime-32", "tqdm"],
    "deepctr": ["deepctr-torch==0.3.0", "tqdm"],
    "rechub": ["torch-rechub==0.9.0", "tqdm"],
}
NAMES = {"fuxictr": "FuxiCTR 2.3.10", "deepctr": "DeepCTR-Torch 0.3.0", "rechub": "torch-rechub 0.9.0"}

_COMMON = TrainConfig(
    batch_size=BATCH,
    epochs=1,
    learning_rate=2e-3,
    schedule=ScheduleConfig(warmup=0.1, shape="cosine", floor=0.1),
    weight_decay=0.0,
    embedding_decay=0.0,
    embedding_epsilon=1e-8,
    unknown_rate=0.0,
    attribution_days=0.0,
    learn_exposure=False,
)
CONFIGS = {
    "deepfm": _COMMON.model_copy(
        update={
            "heads": ("click",),
            "model": ModelConfig(
                embedding=16,
                products=False,
                sequence=None,
                interaction=InteractionConfig(kind="fm", beside=True),
                mixture="shared_bottom",
                experts=1,
                hidden=256,
                output=128,
                tower=16,
            ),
        }
    ),
    "mmoe": _COMMON.model_copy(
        update={
            "heads": ("click", "conversion_given_click"),
            "entire_space": 1.0,
            "model": ModelConfig(
                embedding=16, products=False, sequence=None, experts=4, hidden=256, output=128, tower=64
            ),
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Peer:
    """What a library's own trainer printed; NaN where it could not be run."""

    rows_per_s: float
    rows_per_cpu_s: float
    click_auc: float
    click_pcoc: float
    buy_auc: float


def shared_table(path: Path, rows: int = 220_000) -> dict[str, np.ndarray]:
    """The table that the shared script makes, in `path`: X [rows, 20] of ids, click, buy."""
    subprocess.run(
        [sys.executable, str(MAKE_TABLE), str(rows), str(path)], check=True, stdout=subprocess.DEVNULL
    )
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in ("X", "click", "buy")}


def prepare(found: dict[str, np.ndarray], calibrate: int = HOLD_OUT) -> Prepared:
    """The table encoded by a fitted transform, split in the order of its rows."""
    names = [f"f{number}" for number in range(found["X"].shape[1])]
    rows = [
        {"name": name, "source": name, "type": "integer", "transform": "vocabulary", "group": "ad"}
        for name in names
    ]
    spec = FeatureSpec.model_validate(
        {"extra_sources": names, "features": [{**row, "min_count": 1} for row in rows]}
    )
    table = pa.table({name: found["X"][:, number] for number, name in enumerate(names)})
    n = len(table)
    none, ones = np.zeros(n), np.ones(n, np.int64)
    labels = Labels(
        time=np.arange(n),
        position=ones,
        gap=0 * ones,
        click=found["click"].astype(float),
        save=none,
        hide=none,
        conversion=found["buy"].astype(float),
        mature=np.ones(n, np.bool_),
    )
    end = n - HOLD_OUT - calibrate
    transform = CompiledTransform.fit(table.slice(0, end), spec)
    return Prepared(
        transform,
        MemoryRows(transform.apply(table), labels),
        Split(end, end + calibrate, n, (0, end, end, n)),
    )


def fit(prepared: Prepared, config: TrainConfig) -> tuple[Fitted, dict[str, float]]:
    """One pass by the trainer that `adsrank train` runs, and its figures on the hold-out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fitted = fit_rows(prepared.transform, prepared.train, prepared.calibrate, config)
        (later, known), (last, seen) = (
            piece.read(0, len(piece)) for piece in (prepared.calibrate, prepared.test)
        )
        before, raw = fitted.network.probabilities(later), fitted.network.probabilities(last)
    finally:
        torch.set_num_threads(threads)
    calibrated = IsotonicCalibrator().fit(before["click"], known.click).transform(raw["click"])
    ratio = with_interval(metrics.pcoc, calibrated, seen.click)
    figures = {
        "click_auc": metrics.auc(raw["click"], seen.click),
        "click_pcoc_raw": metrics.pcoc(raw["click"], seen.click),
        "click_pcoc": ratio.value,
        "click_pcoc_low": ratio.low,
        "click_pcoc_high": ratio.high,
    }
    if "conversion_given_click" in raw:
        joint = raw["click"] * raw["conversion_given_click"]
        figures["buy_auc"] = metrics.auc(joint, seen.conversion)
    return fitted, figures
