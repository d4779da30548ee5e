"""What the server adds to a decision: two replicas behind HAProxy, their no-op, and the bare decision."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
import orjson
import pyarrow.parquet as pq

from adsrank.catalog.file import read_catalog
from adsrank.catalog.store import Store
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.request import AdRequest
from adsrank.training.config import TrainConfig
from adsrank.training.run import run as train
from benchmarks.load import closed_loop, open_loop
from benchmarks.row import Row
from serving.assembly import open_runtime
from serving.launch import launch
from serving.runtime import Runtime
from serving.settings import ServingSettings

SEED = 5
CORES = 2
ADS = 20_000
FEED = "/v1/feed"
SECONDS, TURN, ROUNDS = 4.0, 1.5, 6


def rows() -> Iterator[Row]:
    """Figures of one run on one machine; the ratios matter more than the milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        # Each in a process of its own: a market on the heap makes every garbage collection slow.
        with _process() as maker:
            settings, bodies = maker.submit(prepare, Path(folder)).result()
        with launch(settings) as server, _process() as alone:
            alone.submit(_open, settings).result()
            try:
                yield from measure(server.url, alone, bodies)
            finally:
                alone.submit(_close).result()


def measure(url: str, alone: Executor, bodies: list[bytes]) -> Iterator[Row]:
    """The server at `url` beside the same runtime in the process `alone`, in turns."""
    alone.submit(in_process, bodies, SECONDS).result()
    closed_loop(url, FEED, bodies, 8, SECONDS)
    noop = closed_loop(url, "/healthz", [b""], 1, SECONDS, "GET")
    yield Row("no-op of the same server, c=1, p50", noop.percentile(50), "ms")
    yield Row("no-op of the same server, c=1, p99", noop.percentile(99), "ms")
    yield Row(
        "no-ops of the same server, c=8", closed_loop(url, "/healthz", [b""], 8, SECONDS, "GET").rate, "1/s"
    )
    bare: list[float] = []
    served: list[float] = []
    busy: list[float] = []
    for _ in range(ROUNDS):  # In turns, so that a neighbour's load falls on all three alike.
        bare += alone.submit(in_process, bodies, TURN).result()
        served += closed_loop(url, FEED, bodies, 1, TURN).latency
        busy.append(closed_loop(url, FEED, bodies, 8, TURN).rate)
    p50, p99 = np.percentile(bare, [50, 99]) * 1e3
    rate = 1 / float(np.mean(bare))
    yield Row("decision in process, parse to bytes, p50", float(p50), "ms")
    yield Row("decision in process, parse to bytes, p99", float(p99), "ms")
    yield Row("decisions in process, one core", rate, "1/s")
    served50, served99 = np.percentile(served, [50, 99]) * 1e3
    yield Row("feed, c=1, p50", float(served50), "ms")
    yield Row("feed, c=1, p99", float(served99), "ms")
    yield Row("rpc adds p50", float(served50 - p50), "ms", "<= 1.5")
    yield Row("feeds, c=8", float(np.mean(busy)), "1/s")
    yield Row("throughput share of in-process rate", float(np.mean(busy)) / (CORES * rate), "", ">= 0.8")
    offered = 0.5 * CORES * rate
    due = open_loop(url, FEED, bodies, offered, 2 * SECONDS, SEED)
    yield Row("open loop at half of two cores, offered", offered, "1/s")
    yield Row("open loop at half of two cores, p50", due.percentile(50), "ms")
    yield Row("open loop at half of two cores, p99", due.percentile(99), "ms")
    yield Row("open loop, refused or failed", float(due.refused + due.failed), "requests", "<= 0")
    flood = open_loop(url, FEED, bodies, 3 * CORES * rate, SECONDS, SEED, connections=256)
    yield Row("open loop at three times two cores, answered", flood.rate, "1/s")
    yield Row("open loop at three times two cores, p99 of the answered", flood.percentile(99), "ms")
    yield Row("open loop at three times two cores, no answer", float(flood.failed), "requests", "<= 0")


def prepare(folder: Path) -> tuple[ServingSettings, list[bytes]]:
    """A market of `ADS` ads with a quickly trained model, and bodies of requests of this hour."""
    now = datetime.now(UTC)
    world = generate(SEED)
    catalog = advertise(world, SEED, advertisers=300, ads=ADS, start=now - timedelta(days=20))
    table = history(Truth(world, catalog, SEED), SEED, end=now, impressions=60_000)
    pq.write_table(table, folder / "examples.parquet")
    (folder / "catalog.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in catalog))
    data = folder / "data"
    data.mkdir()
    with Store(f"sqlite:///{data / 'adsrank.db'}") as store:
        store.apply(read_catalog(folder / "catalog.jsonl"))
    config = TrainConfig(seed=SEED, epochs=1, embedding_space=world.embedding_space)
    train(folder / "examples.parquet", data / "bundle", config)
    settings = ServingSettings.model_validate(
        {
            "data": data,
            "port": 0,
            "grpc_port": 0,
            "engine": {"deadline_ms": 1000},
            "limits": {"max_ongoing": 16, "max_queued": 48},
        }
    )
    asked = requests(world, SEED, now - timedelta(minutes=2), 0.03, 400)
    return settings, [orjson.dumps(request.model_dump(mode="json")) for request in asked]


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


_runtime: list[Runtime] = []
"""Of the process that decides alone."""


def _open(settings: ServingSettings) -> None:
    _runtime.append(open_runtime(settings))
    _runtime[0].start()


def _close() -> None:
    _runtime.pop().close()


def in_process(bodies: list[bytes], seconds: float) -> list[float]:
    """Seconds of each decision, from the request's bytes to the answer's, without a server."""
    taken = []
    end = perf_counter() + seconds
    for body in cycle(bodies):
        begin = perf_counter()
        if begin > end:
            break
        orjson.dumps(_runtime[0].feed(AdRequest.model_validate_json(body)))
        taken.append(perf_counter() - begin)
    return taken
