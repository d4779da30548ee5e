"""Ledgers on both databases, thrown away after the test."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.ledger import Ledger

POSTGRES = os.environ.get("ADSRANK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")

Address = tuple[str, str | None]
"""URL and schema: what a second process needs to open the same ledger."""


@pytest.fixture(scope="session")
def postgres() -> str:
    """URL of a PostgreSQL server; the test is skipped where none answers."""
    engine = sa.create_engine(
        POSTGRES.replace("postgresql://", "postgresql+psycopg://"), connect_args={"connect_timeout": 2}
    )
    try:
        with engine.connect() as link:
            link.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError as error:
        pytest.skip(f"no PostgreSQL server answers at {POSTGRES}: {str(error).splitlines()[0]}")
    finally:
        engine.dispose()
    return POSTGRES


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Address]:
    """Where an empty ledger of its own may stand."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}", None
        return
    url = request.getfixturevalue("postgres")
    schema = f"test_{uuid.uuid4().hex[:12]}"
    yield url, schema
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as link:
        link.execute(sa.schema.DropSchema(schema, cascade=True, if_exists=True))
    engine.dispose()


@pytest.fixture
def open_ledger(address: Address) -> Iterator[Callable[[], Ledger]]:
    """Opens the test's ledger, as often as it is called."""
    opened: list[Ledger] = []

    def opens() -> Ledger:
        opened.append(Ledger(*address))
        return opened[-1]

    yield opens
    for each in opened:
        each.close()


@pytest.fixture
def ledger(open_ledger: Callable[[], Ledger]) -> Ledger:
    return open_ledger()
