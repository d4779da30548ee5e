"""A small market with a trained model, made once, and an engine that decides in it."""

from datetime import UTC, datetime

import pytest

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.engine import Engine
from adsrank.release import Release
from adsrank.retrieval.retriever import Retriever
from adsrank.training import TrainConfig, train
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.warm import warm
from tests.adsrank.engine.page import PATIENT, POLICY

SEED = 3


@pytest.fixture(scope="session")
def world():
    return generate(SEED, users=200, pins=1000)


@pytest.fixture(scope="session")
def release(world) -> Release:
    warm()  # in a fresh checkout the kernels compile for longer than any deadline
    opens = datetime.fromtimestamp(world.epoch, UTC)
    rows = advertise(world, SEED, advertisers=40, ads=500, start=opens)
    table = history(Truth(world, rows, SEED), SEED, opens, impressions=12_000)
    bundle = train(table, config=TrainConfig(epochs=1, embedding_space=world.embedding_space)).bundle
    snapshot = freeze_catalog(Catalog.of([parse_entity(row) for row in rows]))
    return Release(POLICY, bundle, snapshot, Retriever.of(snapshot))


@pytest.fixture(scope="session")
def stream(world):
    return list(requests(world, SEED + 1, datetime.fromtimestamp(world.epoch, UTC), 24.0, 60))


@pytest.fixture
def engine(release) -> Engine:
    return Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)


@pytest.fixture(scope="session")
def decisions(release, stream):
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)
    return [engine.decide(request) for request in stream]
