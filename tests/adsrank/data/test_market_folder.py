import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adsrank.catalog.file import read_catalog
from adsrank.data.history import history
from adsrank.data.market import Market
from adsrank.data.market_folder import read_market, write_market
from adsrank.data.traffic import requests
from auction.errors import InputError


@pytest.fixture(scope="module")
def market(world, rows, truth, end) -> Market:
    return Market(world, rows, history(truth, 3, end, days=2, impressions=400), 11)


@pytest.fixture
def folder(tmp_path: Path, market: Market) -> Path:
    return write_market(tmp_path / "market", market)


def test_what_is_written_is_read_back(folder: Path, market: Market, world, rows, digest) -> None:
    read = read_market(folder)
    assert digest(read.world) == digest(world)
    assert read.rows == rows
    assert read.seed == 11
    assert read.examples.equals(market.examples)


def test_the_truth_is_made_again_from_what_is_read(folder: Path, world, truth) -> None:
    again = read_market(folder).truth()
    for request in requests(world, 5, datetime(2026, 1, 20, tzinfo=UTC), 1, 5):
        ads = truth.inventory.ad_id
        expect = truth.chances(truth.context(request, ads)).click
        assert np.array_equal(again.chances(again.context(request, ads)).click, expect)


def test_equal_markets_give_equal_files(folder: Path, tmp_path: Path, market: Market) -> None:
    again = write_market(tmp_path / "again", market)
    manifest = (folder / "market.json").read_text()
    assert (again / "market.json").read_text() == manifest
    assert json.loads(manifest)["counts"] == {"users": 800, "pins": 3000, "ads": 900, "examples": 400}


def test_the_catalog_is_one_entity_a_line(folder: Path, rows) -> None:
    lines = (folder / "catalog.jsonl").read_text().splitlines()
    assert len(lines) == len(rows)
    assert json.loads(lines[0])["kind"] == "account"


def test_the_catalog_loader_takes_the_catalog(folder: Path) -> None:
    catalog = read_catalog(folder / "catalog.jsonl")
    assert (len(catalog.accounts), len(catalog.ads)) == (60, 900)


def test_nothing_of_the_truth_is_in_the_folder(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "market.json",
        "world.npz",
        "catalog.jsonl",
        "examples.parquet",
    }
    with np.load(folder / "world.npz", allow_pickle=False) as stored:
        assert {name.split(".")[0] for name in stored.files} == {"hours", "tree", "pins", "users"}


@pytest.mark.parametrize("name", ["world.npz", "catalog.jsonl", "examples.parquet"])
def test_an_altered_or_missing_file_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(InputError, match="altered"):
        read_market(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=name):
        read_market(folder)


def test_a_world_with_pickled_objects_is_refused(folder: Path) -> None:
    with (folder / "world.npz").open("wb") as out:
        np.savez(out, hours=np.array([{"a": 1}], object), allow_pickle=True)
    manifest = json.loads((folder / "market.json").read_text())
    digest = hashlib.sha256((folder / "world.npz").read_bytes()).hexdigest()
    manifest["sha256"]["world.npz"] = digest
    (folder / "market.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="market"):
        read_market(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "[" * 100_000])
def test_a_broken_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "market.json").write_text(text)
    with pytest.raises(InputError, match=r"market\.json"):
        read_market(folder)


@pytest.mark.parametrize("number", [1, 3])
def test_another_format_is_refused(folder: Path, number: int) -> None:
    manifest = json.loads((folder / "market.json").read_text())
    (folder / "market.json").write_text(json.dumps({**manifest, "format": number}))
    with pytest.raises(InputError, match="format"):
        read_market(folder)


@pytest.mark.parametrize(("key", "value"), [("seed", "x"), ("epoch", None)])
def test_a_manifest_of_other_types_is_refused(folder: Path, key: str, value: object) -> None:
    manifest = json.loads((folder / "market.json").read_text())
    (folder / "market.json").write_text(json.dumps(manifest | {key: value}))
    with pytest.raises(InputError, match="generate the market again"):
        read_market(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"market\.json"):
        read_market(tmp_path)
