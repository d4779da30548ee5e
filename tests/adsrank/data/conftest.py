import hashlib
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.truth import Truth
from adsrank.data.world import World

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
END = datetime(2026, 1, 19, tzinfo=UTC)


@pytest.fixture(scope="session")
def end() -> datetime:
    """Where the market opens and its history ends."""
    return END


@pytest.fixture(scope="session")
def world() -> World:
    return generate(11, users=800, pins=3000)


@pytest.fixture(scope="session")
def rows(world: World) -> list[dict[str, Any]]:
    return advertise(world, 11, advertisers=60, ads=900, start=END)


@pytest.fixture(scope="session")
def truth(world: World, rows: list[dict[str, Any]]) -> Truth:
    return Truth(world, rows, 11)


@pytest.fixture(scope="session")
def pinterest_folder() -> Path:
    folder = SHARED / "pinterest"
    if not (folder / "train.txt.gz").is_file():
        pytest.skip("the Pinterest saves are not beside the checkout (../shared/data/pinterest)")
    return folder


@pytest.fixture(scope="session")
def digest() -> Callable[[World], str]:
    """SHA-256 over every array of a world."""

    def of(world: World) -> str:
        total = hashlib.sha256()
        for table in (world.tree, world.pins, world.users):
            for field in fields(table):
                value = np.ascontiguousarray(getattr(table, field.name))
                total.update(f"{field.name} {value.dtype} {value.shape}".encode() + value.tobytes())
        total.update(world.hours.tobytes() + f"{world.name} {world.embedding_space} {world.epoch}".encode())
        return total.hexdigest()

    return of
