"""A snapshot as a folder: Parquet tables, one array of vectors, and a manifest with hashes. No pickle."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adsrank.catalog.campaigns import Campaigns
from adsrank.catalog.columns import Lists
from adsrank.catalog.snapshot import DIMENSIONS, Snapshot
from adsrank.errors import BundleError, InputError

SCHEMA = 2
MANIFEST = "manifest.json"
FILES = ("ads.parquet", "ad_groups.parquet", "campaigns.parquet", "embedding.npy")
MAX_MANIFEST_BYTES = 100_000
MAX_FILE_BYTES = 16_000_000_000

_DTYPES: dict[str, Any] = {
    "interest": np.int32,
    "group_row": np.int32,
    "campaign_row": np.int32,
    "billable": np.int8,
    "goal": np.int8,
    "tolerance": np.int8,
    "cap_event": np.int8,
    "cap_interval_days": np.int16,
    "cap_max": np.int32,
    "format": "U10",
    "objective": "U13",
    "title": object,
    "destination_url": object,
    "name": object,
    "time_zone": object,
}
_BOOLEAN = {"status_active", "policy_clear", "embedded", "active", "accelerated"}


def save_snapshot(snapshot: Snapshot, folder: str | Path) -> None:
    """Write `snapshot` to `folder`, whole or not at all; one that stands there is replaced."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    staged.chmod(0o755)  # mkdtemp makes folders that only their owner can read
    try:
        ads = {name: _arrow(array) for name, array in snapshot.columns() if name != "embedding"}
        ads["interests"] = _arrow_lists(snapshot.interests)
        groups = {name: _arrow_lists(snapshot.targeting[name]) for name in DIMENSIONS}
        campaigns = {f.name: _arrow(getattr(snapshot.campaigns, f.name)) for f in fields(Campaigns)}
        for name, table in zip(FILES, (ads, groups, campaigns), strict=False):
            pq.write_table(pa.table(table), staged / name, compression="zstd")
        np.save(staged / "embedding.npy", snapshot.embedding, allow_pickle=False)
        manifest = {
            "schema": SCHEMA,
            "sequence": snapshot.sequence,
            "version": snapshot.version,
            "embedding_space": snapshot.embedding_space,
            "currency": snapshot.currency,
            "files": {name: _describe(staged / name) for name in FILES},
        }
        (staged / MANIFEST).write_text(
            json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        _put(staged, folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def load_snapshot(folder: str | Path) -> Snapshot:
    """The snapshot in `folder`.

    Raises:
        BundleError: a file that is missing, altered, cut short, too large or of another schema.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    for name in FILES:
        check_file(folder / name, manifest["files"].get(name))
    try:
        ads = pq.read_table(folder / "ads.parquet")
        groups = pq.read_table(folder / "ad_groups.parquet")
        campaigns = pq.read_table(folder / "campaigns.parquet")
        embedding = np.load(folder / "embedding.npy", allow_pickle=False)
        if embedding.dtype != np.float32:
            raise InputError("embedding", str(embedding.dtype), "32-bit floats")
        columns = {f.name: _numpy(ads, f.name) for f in fields(Snapshot) if f.name in _plain_columns(ads)}
        snapshot = Snapshot(
            sequence=int(manifest["sequence"]),
            embedding_space=manifest["embedding_space"],
            currency=str(manifest["currency"]),
            embedding=embedding,
            interests=_lists(ads, "interests", np.int32),
            targeting={
                name: _lists(
                    groups, name, np.int32 if name == "interest" else "U16" if name != "country" else "U2"
                )
                for name in DIMENSIONS
            },
            campaigns=Campaigns(**{f.name: _numpy(campaigns, f.name) for f in fields(Campaigns)}),
            **columns,
        )
    except (pa.ArrowException, InputError, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise BundleError(f"{folder}: not a snapshot: {str(error)[:200]}") from None
    if snapshot.version != manifest["version"]:
        raise BundleError(
            f"{folder}: contents are {snapshot.version}, the manifest says {manifest['version']}"
        )
    return snapshot


def check_file(path: Path, expected: Any) -> None:
    """Compare size and SHA-256 of `path` with `expected` ``{"bytes": ..., "sha256": ...}``.

    Raises:
        BundleError: missing, or not what the manifest says.
    """
    if not isinstance(expected, dict) or path.is_symlink() or not path.is_file():
        raise BundleError(f"{path}: missing, or not in the manifest")
    size = path.stat().st_size
    if size != expected.get("bytes") or size > MAX_FILE_BYTES:
        raise BundleError(f"{path}: {size} bytes, the manifest says {expected.get('bytes')}")
    if _describe(path)["sha256"] != expected.get("sha256"):
        raise BundleError(f"{path}: altered; its SHA-256 is not the manifest's")


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path}: more than {MAX_MANIFEST_BYTES} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {str(error)[:200]}") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise BundleError(f"{path}: not a snapshot manifest of schema {SCHEMA}")
    missing = {"sequence", "version", "embedding_space", "currency", "files"} - set(manifest)
    if missing or not isinstance(manifest["files"], dict):
        raise BundleError(f"{path}: lacks {', '.join(sorted(missing)) or 'a table of files'}")
    return manifest


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _put(staged: Path, folder: Path) -> None:
    if folder.exists():
        if not (folder / MANIFEST).is_file() and any(folder.iterdir()):
            raise InputError("folder", str(folder), "give a folder that is empty or holds a snapshot")
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        os.replace(folder, old)
        os.replace(staged, folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(staged, folder)


def _arrow(array: np.ndarray) -> pa.Array:
    return pa.array(array.tolist(), pa.string()) if array.dtype.kind in "OU" else pa.array(array)


def _arrow_lists(lists: Lists) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array(lists.offsets), _arrow(lists.values))


def _plain_columns(table: pa.Table) -> set[str]:
    return set(table.column_names) - {"interests"}


def _numpy(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name)
    if column.null_count:
        raise InputError(name, "null", "every row has a value")
    if name in _BOOLEAN:
        return np.asarray(column.cast(pa.bool_()).to_pylist(), np.bool_)
    dtype = _DTYPES.get(name, np.int64)
    if dtype is object or isinstance(dtype, str):
        values = np.empty(len(column), object)
        values[:] = column.cast(pa.string()).to_pylist()
        return values if dtype is object else values.astype(str(dtype))
    return np.asarray(column.to_numpy()).astype(dtype, casting="safe")


def _lists(table: pa.Table, name: str, dtype: Any) -> Lists:
    array = table.column(name).combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of a table without rows
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if array.null_count or array.values.null_count:
        raise InputError(name, "null", "every row has a value")
    offsets = array.offsets.to_numpy().astype(np.int64)
    return Lists(
        offsets if len(offsets) else np.zeros(1, np.int64), np.asarray(array.values.to_pylist(), dtype)
    )
