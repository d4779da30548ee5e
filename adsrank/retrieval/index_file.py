"""An index as a folder: what was learned as plain arrays, and a manifest with sizes and hashes.

Codes are not stored: they are made again from the snapshot's own vectors, so a file can neither
disagree with them nor carry anything that a parser would run.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from adsrank.catalog.archive import check_file
from adsrank.catalog.snapshot import Snapshot
from adsrank.errors import BundleError, SpaceMismatch
from adsrank.retrieval.ann import SELECTIVITIES, AnnIndex, Partition
from adsrank.retrieval.exact import ExactIndex

SCHEMA = 1
MANIFEST = "index.json"
ARRAYS = {"centroids": np.float32, "assignment": np.int32, "probes": np.int32}
MAX_MANIFEST_BYTES = 100_000


def save_index(index: AnnIndex | ExactIndex, folder: str | Path) -> None:
    """Write `index` to `folder`; the manifest last, so that a half-written folder does not load."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    partition = index.partition if isinstance(index, AnnIndex) else None
    files: dict[str, Any] = {}
    for name in ARRAYS if partition is not None else ():
        path = folder / f"{name}.npy"
        np.save(path, getattr(partition, name), allow_pickle=False)
        data = path.read_bytes()
        files[path.name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "schema": SCHEMA,
        "name": index.name,
        "space": index.space,
        "dimension": index.dimension,
        "rows": len(index),
        "vectors_id": index.vectors_id,
        "selectivities": list(SELECTIVITIES),
        "files": files,
    }
    staged = folder / f"{MANIFEST}.new"
    staged.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(staged, folder / MANIFEST)


def load_index(folder: str | Path, snapshot: Snapshot) -> AnnIndex | ExactIndex:
    """The index in `folder`, over the vectors of `snapshot`.

    Raises:
        BundleError: a file that is missing, cut short, altered or inconsistent, or an index that was
            built on other vectors.
        SpaceMismatch: it is of another embedding space.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    if manifest["space"] != snapshot.embedding_space:
        raise SpaceMismatch(f"{folder}: of space {manifest['space']!r}, ads of {snapshot.embedding_space!r}")
    if manifest["vectors_id"] != snapshot.vectors_id or manifest["rows"] != len(snapshot):
        raise BundleError(f"{folder}: not built on the vectors of snapshot {snapshot.version}")
    if manifest["name"] == ExactIndex.name:
        return ExactIndex.of(snapshot)
    if manifest["name"] != AnnIndex.name or manifest["selectivities"] != list(SELECTIVITIES):
        raise BundleError(f"{folder}: an index of kind {manifest['name']!r} that this version cannot read")
    partition = _partition(folder, manifest["files"], snapshot) if manifest["files"] else None
    return AnnIndex(snapshot.embedding, snapshot.embedding_space, snapshot.vectors_id, partition)


def _partition(folder: Path, files: dict[str, Any], snapshot: Snapshot) -> Partition:
    arrays = {}
    for name, dtype in ARRAYS.items():
        path = folder / f"{name}.npy"
        check_file(path, files.get(path.name))
        try:
            arrays[name] = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise BundleError(f"{path}: {str(error)[:200]}") from None
        if arrays[name].dtype != dtype:
            raise BundleError(f"{path}: {arrays[name].dtype}, not {np.dtype(dtype)}")
    centroids, assignment, probes = arrays["centroids"], arrays["assignment"], arrays["probes"]
    fits = (
        centroids.ndim == 2
        and centroids.shape[1] == snapshot.dimension
        and len(centroids) > 0
        and bool(np.isfinite(centroids).all())
        and assignment.shape == (len(snapshot),)
        and np.array_equal(assignment >= 0, snapshot.embedded)
        and bool((assignment < len(centroids)).all())
        and probes.shape == (len(SELECTIVITIES),)
        and bool(((probes > 0) & (probes <= len(centroids))).all())
    )
    if not fits:
        raise BundleError(f"{folder}: lists, rows and probes do not fit together or not the snapshot")
    return Partition(np.ascontiguousarray(centroids), assignment, probes)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path}: more than {MAX_MANIFEST_BYTES} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {str(error)[:200]}") from None
    needed = {"name", "space", "rows", "vectors_id", "selectivities", "files"}
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA or needed - set(manifest):
        raise BundleError(f"{path}: not an index manifest of schema {SCHEMA}")
    if not isinstance(manifest["files"], dict):
        raise BundleError(f"{path}: files: not a table of names")
    return manifest
