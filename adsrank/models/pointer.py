"""Which of a registry's bundles is the current one: one small file, swapped whole."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from adsrank.errors import BundleError
from adsrank.models.document import canonical, parse, read_plain
from auction.settings import Settings

CURRENT = "current.json"
MAX_BYTES = 100_000
KEPT = 1_000
"""Publications that are remembered."""

BundleId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Pointer(Settings):
    """`current.json`."""

    current: BundleId
    before: tuple[BundleId, ...] = Field((), max_length=KEPT, description="What was current, newest last.")

    def to(self, bundle_id: str) -> "Pointer":
        """After `bundle_id` was published."""
        if bundle_id == self.current:
            return self
        return Pointer(current=bundle_id, before=(*self.before, self.current)[-KEPT:])

    def write(self, registry: Path) -> None:
        """Readers see this pointer or the one before, never half of one.

        Raises:
            BundleError: the folder cannot be written.
        """
        part = registry / f".{CURRENT}.{os.getpid()}"
        try:
            with open(part, "wb") as out:
                out.write(canonical(self.model_dump(mode="json")))
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, registry / CURRENT)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise BundleError(f"{registry / CURRENT}: cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, registry: Path) -> "Pointer | None":
        """None where nothing was published yet.

        Raises:
            BundleError: the file is not as `write` leaves it.
        """
        path = registry / CURRENT
        if not os.path.lexists(path):
            return None
        try:
            return cls.model_validate(parse(read_plain(path, MAX_BYTES), str(path)))
        except ValidationError as error:
            raise BundleError(f"{path}: {error.errors(include_url=False)[0]['msg']}") from None


def resolve(path: str | Path) -> Path:
    """The bundle's folder that `path` means: the current one where `path` is a registry.

    Raises:
        BundleError: a registry whose pointer cannot be read.
    """
    path = Path(path)
    pointer = Pointer.read(path)
    return path if pointer is None else path / pointer.current
