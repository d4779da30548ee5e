"""A bundle's folder: written whole or not at all, read with suspicion."""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors.numpy import save as save_tensors

from adsrank.errors import BundleError
from adsrank.features.transform import CompiledTransform
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
    canonical,
)
from adsrank.models.multitask import MultiTask
from adsrank.models.probabilities import Probabilities
from adsrank.models.sample import Sample

MANIFEST = "manifest.json"
MAX_MANIFEST = 1_000_000
MAX_CONTAINERS = 1_000_000
"""Lists and objects that one JSON file may open: each costs some sixty times its two bytes once read."""
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
    if path.exists() or path.is_symlink():
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
    if not path.is_dir():
        raise BundleError(f"{path}: no such bundle; give the folder that holds {MANIFEST}")
    found = parse(_content(path / MANIFEST, MAX_MANIFEST), str(path / MANIFEST))
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
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path / MANIFEST}: {where or 'manifest'}: {first['msg']}") from None
    if claimed != manifest.id:
        raise BundleError(f"{path / MANIFEST}: id {claimed!r} is not that of its content ({manifest.id})")
    _nothing_else(path)
    files = {}
    for name, limit in LIMITS.items():  # names come from here, never from the manifest
        entry = manifest.files[name]
        if entry.bytes > limit:
            raise BundleError(f"{path / name}: {entry.bytes} bytes declared; at most {limit}")
        files[name] = _content(path / name, limit)
        if len(files[name]) != entry.bytes:
            raise BundleError(f"{path / name}: {len(files[name])} bytes; the manifest says {entry.bytes}")
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise BundleError(f"{path / name}: altered since it was saved (SHA-256 differs)")
    return manifest, files


def parse(text: bytes, where: str) -> Any:
    """JSON without NaN, infinities or repeated keys, and not so much of it that reading fills the memory.

    Raises:
        BundleError: anything else; names the file.
    """
    opened = text.count(b"[") + text.count(b"{")
    if opened > MAX_CONTAINERS:
        raise BundleError(f"{where}: {opened} lists and objects; at most {MAX_CONTAINERS}")
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not valid JSON: {str(error)[:120]}") from None


def _nothing_else(path: Path) -> None:
    """What the manifest does not know of was not checked, so it has no place here."""
    known = {MANIFEST, *LIMITS}
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name not in known:
                raise BundleError(f"{path / entry.name!s}: not a file of a bundle; take it away")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number here")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _content(path: Path, limit: int) -> bytes:
    """The bytes of a plain file of at most `limit` bytes; a link, pipe or device is refused."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read as a plain file: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{path}: not a plain file")
        if status.st_size > limit:
            raise BundleError(f"{path}: {status.st_size} bytes; at most {limit}")
        return file.read(limit + 1)
