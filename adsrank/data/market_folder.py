"""A market on disk: market.json, world.npz, catalog.jsonl and examples.parquet in one folder.

The truth is not in it: it is made again from the world, the catalog and the seed in market.json.
"""

import hashlib
import json
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adsrank.data.market import Market
from adsrank.data.world import InterestTree, Pins, Users, World
from adsrank.features.examples import SCHEMA
from auction.errors import InputError

FORMAT = 2
MAX_BYTES = 4_000_000_000
MAX_MANIFEST_BYTES = 1_000_000
MANIFEST, WORLD, CATALOG, EXAMPLES = "market.json", "world.npz", "catalog.jsonl", "examples.parquet"


def write_market(folder: str | Path, market: Market) -> Path:
    """Write a market into `folder` (made if absent) and return it. Equal markets give equal files."""
    world, rows, examples = market.world, market.rows, market.examples
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / WORLD, allow_pickle=False, **_columns(world))
    with (folder / CATALOG).open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n")
    pq.write_table(examples.cast(SCHEMA), folder / EXAMPLES, compression="zstd")
    manifest = {
        "format": FORMAT,
        "name": world.name,
        "embedding_space": world.embedding_space,
        "epoch": world.epoch,
        "seed": market.seed,
        "counts": {
            "users": len(world.users.user_id),
            "pins": len(world.pins.pin_id),
            "ads": sum(row["kind"] == "ad" for row in rows),
            "examples": examples.num_rows,
        },
        "sha256": {name: _digest(folder / name) for name in (WORLD, CATALOG, EXAMPLES)},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return folder


def read_market(folder: str | Path) -> Market:
    """Read what `write_market` wrote.

    Raises:
        InputError: a file that is missing, altered, too large or of another format.
    """
    folder = Path(folder)
    manifest = _manifest(folder / MANIFEST)
    for name in (WORLD, CATALOG, EXAMPLES):
        path = folder / name
        if not path.is_file():
            raise InputError(str(path), "no such file", "generate the market again")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(str(path), path.stat().st_size, f"at most {MAX_BYTES} bytes")
        if _digest(path) != manifest["sha256"].get(name):
            raise InputError(str(path), "altered", f"the file whose SHA-256 stands in {MANIFEST}")
    try:
        with (folder / CATALOG).open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        world = _world(folder / WORLD, manifest)
        examples = pq.read_table(folder / EXAMPLES).cast(SCHEMA)
        return Market(world, rows, examples, int(manifest["seed"]))
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise InputError(str(folder), str(error).split("\n")[0], "generate the market again") from None


def _columns(world: World) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {"hours": world.hours}
    for part, table in (("tree", world.tree), ("pins", world.pins), ("users", world.users)):
        for field in fields(table):
            columns[f"{part}.{field.name}"] = np.asarray(getattr(table, field.name))
    return columns


def _world(path: Path, manifest: dict[str, Any]) -> World:
    with np.load(path, allow_pickle=False) as stored:
        tables: dict[str, dict[str, Any]] = {
            part: {field.name: stored[f"{part}.{field.name}"] for field in fields(kind)}
            for part, kind in (("tree", InterestTree), ("pins", Pins), ("users", Users))
        }
        tables["tree"]["name"] = tuple(tables["tree"]["name"].tolist())
        return World(
            name=str(manifest["name"]),
            embedding_space=str(manifest["embedding_space"]),
            epoch=int(manifest["epoch"]),
            tree=InterestTree(**tables["tree"]),
            pins=Pins(**tables["pins"]),
            users=Users(**tables["users"]),
            hours=stored["hours"],
        )


def _manifest(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise InputError(str(path), path.stat().st_size, f"at most {MAX_MANIFEST_BYTES} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), error.strerror, "give the folder of a generated market") from None
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), str(error), "give valid JSON") from None
    needed = {"format", "name", "embedding_space", "epoch", "seed", "sha256"}
    if (
        not isinstance(manifest, dict)
        or not needed <= manifest.keys()
        or not isinstance(manifest["sha256"], dict)
    ):
        raise InputError(str(path), "keys missing", f"an object with {', '.join(sorted(needed))}")
    if manifest["format"] != FORMAT:
        raise InputError(f"{path}: format", manifest["format"], f"format {FORMAT}; generate the market again")
    return manifest


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
