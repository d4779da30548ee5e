"""One decision in process: 100,000 ads, 1,000 retrieved, 200 scored, laid out, priced, recorded.

With the shipped features, and with the user's last hundred actions beside them, which the model then encodes
once a request.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.engine import Engine
from adsrank.features.examples import AD, CONTEXT, MATCH, PLACE
from adsrank.features.spec import FeatureSpec
from adsrank.release import Release
from adsrank.request import AdRequest
from adsrank.retrieval.retriever import Retriever
from adsrank.settings import EngineSettings
from adsrank.training.config import TrainConfig
from adsrank.training.train import train
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.log.writer import LogWriter
from benchmarks.actions import with_actions
from benchmarks.row import Row
from serving.demo.policy import DEMO_POLICY

SEED = 5
ADS = 100_000
WARM, TIMED = 50, 400
LENGTH = 100


def releases(
    specs: list[FeatureSpec], ads: int = ADS, impressions: int = 60_000
) -> tuple[list[Release], list[AdRequest]]:
    """Of each feature table a release over `ads` ads of the built-in market; and a stream of its requests."""
    world = generate(SEED, users=2000, pins=max(8000, ads))
    opens = datetime.fromtimestamp(world.epoch, UTC)
    rows = advertise(world, SEED, advertisers=max(150, ads // 40), ads=ads, start=opens)
    truth = Truth(world, rows, SEED)
    config = TrainConfig(epochs=1, embedding_space=world.embedding_space)
    table = history(truth, SEED, opens, impressions=impressions)
    entities = [parse_entity(row) for row in rows]
    snapshot = freeze_catalog(Catalog.of([each for each in entities if not isinstance(each, list)]))
    retriever = Retriever.of(snapshot)
    found = [Release(DEMO_POLICY, train(table, spec, config).bundle, snapshot, retriever) for spec in specs]
    return found, list(requests(world, SEED + 1, opens, 24.0, WARM + TIMED))


def rows() -> Iterator[Row]:
    """Latency of a decision on one core, and of its stages, with either feature table."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found, stream = releases([FeatureSpec.default(), with_actions(LENGTH)])
        for parts, name in zip(found, ("decision", f"decision with {LENGTH} actions"), strict=True):
            yield from _rows(name, parts, stream)
    finally:
        torch.set_num_threads(threads)


def _rows(name: str, parts: Release, stream: list[AdRequest]) -> Iterator[Row]:
    engine = Engine(parts, OpenBudgets(), FrequencyCounter(), EngineSettings(deadline_ms=10_000))
    with TemporaryDirectory() as folder:
        many = WARM + TIMED + 1  # written at the end, so that the figure below is of one flush
        features = [*AD, *MATCH, *PLACE]
        writer = LogWriter(
            folder, "bench", context=CONTEXT, features=features, flush_records=many, max_records=many
        )
        writer.keep(parts.resolved_policy)
        taken: list[float] = []
        stages: dict[str, list[float]] = {}
        retrieved, scored = [], []
        for number, request in enumerate(stream):
            begin = perf_counter()
            decision = engine.decide(request)
            writer.append(decision.record)
            if number < WARM:
                continue
            taken.append((perf_counter() - begin) * 1e3)
            for stage in decision.stages:
                stages.setdefault(stage.name, []).append(stage.milliseconds)
                if stage.name == "retrieve":
                    retrieved.append(stage.went)
                elif stage.name == "rank":
                    scored.append(stage.came)
        begin = perf_counter()
        count = writer.flush()
        flush = (perf_counter() - begin) / max(count, 1) * 1e3
    yield Row(f"{name} p50", float(np.percentile(taken, 50)), "ms", "<= 8")
    yield Row(f"{name} p99", float(np.percentile(taken, 99)), "ms", "<= 15")
    yield Row(f"{name}: ads in the catalog", len(parts.snapshot), "ads")
    yield Row(f"{name}: candidates retrieved, mean", float(np.mean(retrieved)), "ads")
    yield Row(f"{name}: candidates scored by the heavy model, mean", float(np.mean(scored)), "ads")
    for stage_name, milliseconds in stages.items():
        yield Row(f"{name}: stage {stage_name} p50", float(np.median(milliseconds)), "ms")
    yield Row(f"{name}: log record to Parquet, in the background", flush, "ms")
