"""A small market with a trained model, made once; every test gets a data folder of its own."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from adsrank.catalog.file import read_catalog
from adsrank.catalog.store import Store
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.data.world import World
from adsrank.training.config import TrainConfig
from adsrank.training.run import run as train
from auction.policy import AuctionPolicy
from serving.assembly import open_runtime
from serving.runtime import Runtime
from serving.settings import ServingSettings

SEED = 11
NOW = datetime.now(UTC)


@pytest.fixture(scope="session")
def world() -> World:
    return generate(SEED, users=300, pins=1200)


@pytest.fixture(scope="session")
def market(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a catalog in its database and a trained bundle."""
    folder = tmp_path_factory.mktemp("market")
    start = NOW - timedelta(days=15)
    rows = advertise(world, SEED, advertisers=30, ads=600, start=start)
    for row in rows:
        if row["kind"] == "campaign":
            # What a first answer leaves behind (contacts, spend) must not change the second.
            row |= {
                "frequency_cap": None,
                "pacing": "ACCELERATED",
                "daily_budget_micros": 10**12,
                "lifetime_budget_micros": None,
            }
    truth = Truth(world, rows, SEED)
    examples = history(truth, SEED, end=NOW, days=14, impressions=20_000)
    catalog, table = folder / "catalog.jsonl", folder / "examples.parquet"
    catalog.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    pq.write_table(examples, table)
    data = folder / "data"
    data.mkdir()
    store = Store(f"sqlite:///{data / 'adsrank.db'}")
    store.apply(read_catalog(catalog))
    store.close()
    config = TrainConfig(seed=SEED, epochs=1, embedding_space=world.embedding_space)
    train(table, data / "bundle", config)
    (data / "policy.yaml").write_text("name: test\nexchange_rate: 20000\n")
    AuctionPolicy.load(data / "policy.yaml")
    return data


@pytest.fixture
def settings(market: Path, tmp_path: Path) -> ServingSettings:
    shutil.copytree(market, tmp_path / "data")
    return ServingSettings.model_validate(
        {
            "data": tmp_path / "data",
            "port": 0,
            "grpc_port": 0,
            "refresh_seconds": 0.1,
            "engine": {"deadline_ms": 5000},
        }
    )


@pytest.fixture
def runtime(settings: ServingSettings) -> Iterator[Runtime]:
    runtime = open_runtime(settings)
    runtime.start()
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def bodies(world: World) -> list[dict[str, Any]]:
    """Forty requests of today's traffic in their JSON form."""
    return [
        {**request.model_dump(mode="json"), "deadline_ms": None, "time": NOW.isoformat()}
        for request in requests(world, SEED, NOW - timedelta(hours=1), 1.0, 40)
    ]
