"""A small catalog, and the two databases it is kept in."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.store import Store
from tests.adsrank.catalog.rows import account, ad, ad_group, campaign, catalog_of

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"


@pytest.fixture
def small() -> Catalog:
    return catalog_of(
        account(time_zone="Europe/Berlin"),
        campaign(frequency_cap={"event": "IMPRESSION", "interval_days": 7, "max_frequency": 3}),
        ad_group(targeting={"countries": ["de", "AT"], "interests": [7, 8]}),
        ad(created_at="2026-01-02T03:04:05Z", policy_labels=["alcohol"]),
        ad(1001, title="Schöne Lampe", interests=[8, 7], embedding=None, embedding_space=None),
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the same empty database as often as it is called."""
    opened: list[Store] = []
    schema = None
    if request.param == "postgresql":
        schema = f"catalog_{uuid.uuid4().hex[:12]}"
        engine = create_engine(POSTGRES.replace("postgresql:", "postgresql+psycopg:"))
        try:
            with engine.connect():
                pass
        except (SQLAlchemyError, ImportError) as error:
            pytest.skip(f"no PostgreSQL answers: {error}")

    def opening() -> Store:
        url = POSTGRES if schema else f"sqlite:///{tmp_path}/catalog.db"
        opened.append(Store(url, schema))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()
    if schema:
        with engine.begin() as connection:
            connection.execute(text(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'))
        engine.dispose()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()
