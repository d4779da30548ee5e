"""One decision in process: 100,000 ads, 1,000 retrieved, 200 scored, laid out, priced, recorded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

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
from adsrank.models.bundle import Bundle
from adsrank.release import Release
from adsrank.request import AdRequest
from adsrank.retrieval.retriever import Retriever
from adsrank.settings import EngineSettings
from adsrank.training.config import TrainConfig
from adsrank.training.train import train
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.log.writer import LogWriter
from benchmarks.row import Row
from serving.demo.policy import DEMO_POLICY

SEED = 5
ADS = 100_000
WARM, TIMED = 50, 400


def release(ads: int = ADS, impressions: int = 60_000) -> tuple[Release, list[AdRequest]]:
    """A release over `ads` ads of the built-in market, and a stream of its requests."""
    world = generate(SEED, users=2000, pins=max(8000, ads))
    opens = datetime.fromtimestamp(world.epoch, UTC)
    rows = advertise(world, SEED, advertisers=max(150, ads // 40), ads=ads, start=opens)
    truth = Truth(world, rows, SEED)
    config = TrainConfig(epochs=1, embedding_space=world.embedding_space)
    table = history(truth, SEED, opens, impressions=impressions)
    bundle: Bundle = train(table, config=config).bundle
    entities = [parse_entity(row) for row in rows]
    snapshot = freeze_catalog(Catalog.of([each for each in entities if not isinstance(each, list)]))
    parts = Release(DEMO_POLICY, bundle, snapshot, Retriever.of(snapshot))
    return parts, list(requests(world, SEED + 1, opens, 24.0, WARM + TIMED))


def rows() -> Iterator[Row]:
    """Latency of a decision on one core, and of its stages."""
    parts, stream = release()
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
    yield Row("decision p50", float(np.percentile(taken, 50)), "ms", "<= 8")
    yield Row("decision p99", float(np.percentile(taken, 99)), "ms", "<= 15")
    yield Row("ads in the catalog", len(parts.snapshot), "ads")
    yield Row("candidates retrieved, mean", float(np.mean(retrieved)), "ads")
    yield Row("candidates scored by the heavy model, mean", float(np.mean(scored)), "ads")
    for name, milliseconds in stages.items():
        yield Row(f"stage {name} p50", float(np.median(milliseconds)), "ms")
    yield Row("log record to Parquet, in the background", flush, "ms")
