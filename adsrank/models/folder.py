"""A bundle's folder: written whole or not at all, read with suspicion."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors.numpy import save as save_tensors

from adsrank.errors import BundleError
from adsrank.features.transform import CompiledTransform
from adsrank.models.document import canonical, parse, read_plain
from adsrank.models.first_stage import FirstStage
from adsrank.models.manifest import (
    CALIBRATORS,
    FIRST_STAGE,
    LIMITS,
    SAMPLE,
    SCHEMA_VERSION,
    TRANSFORM,
    WEIGHTS,
    Manifest,
)
from adsrank.models.multitask import MultiTask
from adsrank.models.probabilities import Probabilities
from adsrank.models.sample import Sample

MANIFEST = "manifest.json"
MAX_MANIFEST = 1_000_000
STAGE = "first_stage."
"""Before the names of the first stage's tensors."""


def contents(
    transform: CompiledTransform,
    network: MultiTask,
    probabilities: Probabilities,
    first_stage: FirstStage,
    sample: Sample,
) -> dict[str, bytes]:
    """The bytes of each file but the manifest; equal parts give equal bytes."""
    tensors = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    tensors |= {STAGE + name: value for name, value in first_stage.tensors().items()}
    return {
        WEIGHTS: save_tensors({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}),
        TRANSFORM: canonical(transform.to_json()),
        CALIBRATORS: canonical(probabilities.to_json()),
        FIRST_STAGE: canonical(first_stage.to_json()),
        SAMPLE: canonical(sample.to_json()),
    }


def entries(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """What the manifest says of `files`."""
    return {
        name: {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)} for name, text in files.items()
    }


def write(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write into a folder beside `path`, then rename: a reader sees all of it or nothing.

    Raises:
        BundleError: `path` exists, or cannot be written.
    """
    if os.path.lexists(path):
        raise BundleError(f"{path}: exists already; bundles do not change, give a new folder")
    text = json.dumps({"id": manifest.id, **manifest.model_dump(mode="json")}, indent=1, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        for name, content in (*files.items(), (MANIFEST, text.encode())):
            with open(part / name, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
        part.chmod(0o755)
        part.rename(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the bytes of each file, their sizes and hashes checked.

    Each file is read once and what was read is what was checked. Raises BundleError naming the file.
    """
    if not os.path.isdir(path):  # a name that is too long is no folder either
        raise BundleError(f"{path}: no such bundle; give the folder that holds {MANIFEST}")
    found = parse(read_plain(path / MANIFEST, MAX_MANIFEST), str(path / MANIFEST))
    if not isinstance(found, dict):
        raise BundleError(f"{path / MANIFEST}: not an object; make the bundle again")
    claimed = found.pop("id", None)
    version = found.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path / MANIFEST}: schema_version {str(version)[:20]}, this code reads {SCHEMA_VERSION}: "
            "train it again, or serve it with the code that made it"
        )
    try:
        manifest = Manifest.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:120]
        where = where if where.isprintable() else ascii(where)
        raise BundleError(f"{path / MANIFEST}: {where or 'manifest'}: {first['msg']}") from None
    if claimed != manifest.id:
        shown = ascii(claimed)[:40]
        raise BundleError(f"{path / MANIFEST}: id {shown} is not that of its content ({manifest.id})")
    _nothing_else(path)
    files = {}
    for name, limit in LIMITS.items():  # names come from here, never from the manifest
        entry = manifest.files[name]
        if entry.bytes > limit:
            raise BundleError(f"{path / name}: {entry.bytes} bytes declared; at most {limit}")
        files[name] = read_plain(path / name, limit)
        if len(files[name]) != entry.bytes:
            raise BundleError(f"{path / name}: {len(files[name])} bytes; the manifest says {entry.bytes}")
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise BundleError(f"{path / name}: altered since it was saved (SHA-256 differs)")
    return manifest, files


def _nothing_else(path: Path) -> None:
    """What the manifest does not know of was not checked, so it has no place here."""
    known = {MANIFEST, *LIMITS}
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name not in known:
                raise BundleError(f"{path / entry.name!s}: not a file of a bundle; take it away")
