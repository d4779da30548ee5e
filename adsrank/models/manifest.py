"""What a bundle says of itself: versions, spaces, sizes, and the hash of every file."""

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from adsrank.models.config import ModelConfig
from adsrank.models.heads import check_heads
from auction.policy import Exposure
from auction.settings import Settings

SCHEMA_VERSION = 1

WEIGHTS = "weights.safetensors"
TRANSFORM = "transform.json"
CALIBRATORS = "calibrators.json"
FIRST_STAGE = "first_stage.json"

LIMITS = {WEIGHTS: 2 * 2**30, TRANSFORM: 256 * 2**20, CALIBRATORS: 16 * 2**20, FIRST_STAGE: 64 * 2**20}
"""The files of a bundle beside its manifest, and the most bytes each may have."""

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileEntry(Settings):
    """A file as it was saved."""

    sha256: Hex
    bytes: int = Field(ge=0)


class DataSpan(Settings):
    """The rows a bundle was made from; moments in UTC, ISO 8601."""

    rows: int = Field(ge=0)
    first: str = Field(max_length=64)
    calibrate_from: str = Field(max_length=64)
    test_from: str = Field(max_length=64)
    last: str = Field(max_length=64)


class Manifest(Settings):
    """`manifest.json`."""

    schema_version: Literal[1] = 1
    feature_spec: str = Field(pattern=r"^[0-9a-f]{16}$", description="Hash of the feature table.")
    embedding_space: str = Field(min_length=1, max_length=64)
    heads: tuple[str, ...]
    model: ModelConfig
    exposure: Exposure
    data: DataSpan
    conversion_rate: float = Field(
        ge=0, le=1, description="Conversions per click of the mature training rows."
    )
    training: str = Field("", max_length=64, description="Hash of the training configuration.")
    files: dict[str, FileEntry]

    @model_validator(mode="after")
    def _lists_its_files(self) -> Self:
        if set(self.files) != set(LIMITS):
            raise ValueError(f"files: give exactly {sorted(LIMITS)}, not {sorted(self.files)[:8]}")
        check_heads(self.heads)
        return self

    @cached_property
    def id(self) -> str:
        """16 hex digits over everything above, file hashes included: equal bundles have equal ids."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()[:16]


def canonical(data: Any) -> bytes:
    """JSON that depends on the values alone."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
