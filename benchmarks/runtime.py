"""The heavy model by three runtimes: eager, torch.compile, and ONNX Runtime on the exported graph.

One request's candidates, one thread, all three taking turns in one process, so that a busy machine is
busy for all of them; the figures are processor time. The packages of the extra `onnx` are installed into a
temporary folder where they are not there; where that fails, their rows say so and have no value.

    adsrank bench runtime
"""

import importlib
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsrank.data.market import make
from adsrank.features.batch import FeatureBatch
from adsrank.models.bundle import Bundle
from adsrank.models.config import ModelConfig
from adsrank.models.half import tensors
from adsrank.models.onnx import OnnxScorer, export_onnx, one_request, parity
from adsrank.training import TrainConfig, train
from benchmarks.peers import install, named
from benchmarks.row import Row

SEED = 5
CANDIDATES = (200, 500)
ROUNDS = 150
SIZES = {
    "shipped size": ModelConfig(),
    "4 experts of 256-128": ModelConfig(embedding=16, hidden=256, output=128, tower=64),
}
PACKAGES = [
    "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.31.1", "onnx-ir==1.1.0", "ml-dtypes", "flatbuffers"
]  # fmt: skip

Verb = Callable[[FeatureBatch], Any]


def rows() -> Iterator[Row]:
    """Processor time p50 of each runtime, its ratio to eager, and how long it takes to make it ready."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sys.path.append(str(folder / "lib"))
        try:
            onnx = ready() or install(PACKAGES, folder / "lib")
            importlib.invalidate_caches()
            table = make(
                SEED, users=300, pins=1000, advertisers=40, ads=1000, impressions=6000, requests_per_day=2000
            ).examples
            for label, size in SIZES.items():
                yield from sized(label, size, table, folder / f"{size.hidden}.onnx" if onnx else None)
        finally:
            sys.path.remove(str(folder / "lib"))
            torch.set_num_threads(threads)


def ready() -> bool:
    """Whether the extra `onnx` is installed."""
    return all(find_spec(package) for package in ("onnx", "onnxscript", "onnxruntime"))


def sized(label: str, size: ModelConfig, table: pa.Table, graph: Path | None) -> Iterator[Row]:
    """Rows of one size of model; without `graph` ONNX Runtime cannot be had."""
    bundle = train(table, config=TrainConfig(epochs=1, model=size)).bundle
    batches = {n: one_request(bundle.prepare(table.slice(0, n)), 0) for n in CANDIDATES}
    verbs: dict[str, Verb] = {"eager": eager(bundle.network)}
    compiled, seconds = compile_for(bundle, list(batches.values()))
    yield Row(named(f"{label}: torch.compile, ready after", seconds), seconds, "s")
    if compiled is not None:
        verbs["torch.compile"] = compiled
    seconds, apart = math.nan, math.nan
    if graph is not None:
        begin = perf_counter()
        export_onnx(bundle, graph)
        seconds, apart = perf_counter() - begin, parity(bundle, graph)
        verbs["ONNX Runtime"] = OnnxScorer(graph).score
    yield Row(named(f"{label}: ONNX Runtime, ready after", seconds), seconds, "s")
    yield Row(f"{label}: ONNX Runtime, furthest logit", apart, "", "<= 0.001")
    for n, batch in batches.items():
        taken: dict[str, list[float]] = {name: [] for name in verbs}
        for turn in range(20 + ROUNDS):
            for name, verb in verbs.items():
                begin = thread_time()
                verb(batch)
                if turn >= 20:
                    taken[name].append(1e3 * (thread_time() - begin))
        p50 = {name: float(np.median(times)) for name, times in taken.items()}
        for name, value in p50.items():
            yield Row(f"{label}, {n} candidates: {name}, p50", value, "ms")
        for name in p50:
            if name != "eager":
                yield Row(f"{label}, {n} candidates: eager over {name}", p50["eager"] / p50[name], "x")


def eager(network: Any) -> Verb:
    """As a bundle scores."""
    return lambda batch: network.probabilities(batch)


def compile_for(bundle: Bundle, batches: list[FeatureBatch]) -> tuple[Verb | None, float]:
    """The compiled network and the seconds it took; (None, NaN) where no compiler works."""
    forward = torch.compile(bundle.network, dynamic=True)

    @torch.inference_mode()
    def verb(batch: FeatureBatch) -> Any:
        return torch.sigmoid(forward(tensors(batch.request), tensors(batch.ad)).double()).numpy()

    begin = perf_counter()
    try:
        for batch in batches:
            verb(batch)
    except Exception as error:  # a missing compiler shows in many ways
        print(f"torch.compile: {str(error).splitlines()[0][:120]}", file=sys.stderr)
        return None, math.nan
    return verb, perf_counter() - begin
