"""What a bundle says of itself: versions, spaces, sizes, and the hash of every file."""

import hashlib
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adsrank.models.config import ModelConfig
from adsrank.models.document import canonical
from adsrank.models.heads import check_heads
from adsrank.models.held_out import HeldOut
from adsrank.models.probabilities import calibrated
from auction.policy import Exposure
from auction.settings import Settings

SCHEMA_VERSION = 2
"""1 had neither a sample nor held-out figures, so nothing could be checked on load."""

WEIGHTS = "weights.safetensors"
TRANSFORM = "transform.json"
CALIBRATORS = "calibrators.json"
FIRST_STAGE = "first_stage.json"
SAMPLE = "sample.json"

LIMITS = {
    WEIGHTS: 2 * 2**30,
    TRANSFORM: 128 * 2**20,
    CALIBRATORS: 16 * 2**20,
    FIRST_STAGE: 64 * 2**20,
    SAMPLE: 8 * 2**20,
}
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

    schema_version: Literal[2] = 2
    feature_spec: str = Field(pattern=r"^[0-9a-f]{16}$", description="Hash of the feature table.")
    embedding_space: str = Field(min_length=1, max_length=64)
    heads: tuple[str, ...]
    model: ModelConfig
    first_stage: Literal["xgboost", "two_tower"]
    held_out: dict[str, HeldOut] = Field(description="A head: its figures on the test rows.")
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
        if set(self.held_out) != set(calibrated(self.heads)):
            raise ValueError(f"held_out: give exactly {sorted(calibrated(self.heads))}")
        return self

    @cached_property
    def id(self) -> str:
        """16 hex digits over everything above, file hashes included: equal bundles have equal ids."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()[:16]
