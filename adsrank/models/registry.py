"""A folder of bundles, one of them current: publish the next, go back to the one before.

    registry/current.json          which one serves, and which did before
    registry/3f2a…/manifest.json   a bundle, by its id

Bundles do not change, so going back is a change of the pointer alone; a server that was given the
registry for its bundle takes the change over within its refresh period.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adsrank.errors import BundleError
from adsrank.models import folder
from adsrank.models.admission import Admission
from adsrank.models.bundle import ADMISSION, Bundle
from adsrank.models.manifest import Manifest
from adsrank.models.pointer import Pointer

LOCK = ".lock"


class Registry:
    """Parameters: path: the folder; it is made when something is published."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def pointer(self) -> Pointer | None:
        """None before anything was published. Raises BundleError where it cannot be read."""
        return Pointer.read(self.path)

    def publish(self, source: str | Path, admission: Admission = ADMISSION) -> str:
        """Check the bundle in `source`, keep a copy, make it the current one; returns its id.

        Raises:
            BundleError: it must not serve, or the registry cannot be written. The pointer stays.
        """
        manifest, files = folder.read(Path(source))
        Bundle.of(manifest, files, admission)
        with self._locked():
            home = self.path / manifest.id
            if home.exists():
                if folder.read(home)[0].id != manifest.id:
                    raise BundleError(f"{home}: holds another bundle than its name says; take it away")
            else:
                folder.write(home, manifest, files)
            before = self.pointer
            after = Pointer(current=manifest.id) if before is None else before.to(manifest.id)
            after.write(self.path)
        return manifest.id

    def rollback(self, to: str | None = None, admission: Admission = ADMISSION) -> str:
        """Make `to`, or what was current before, the current bundle; returns its id.

        What is given up leaves the history: a second rollback goes further back. With `to` the history
        is cut where `to` stands in it, or else goes on.

        Raises:
            BundleError: there is none before, no such bundle here, or it must not serve.
        """
        if self.pointer is None:  # asked first: the lock would make the folder of a mistyped name
            raise BundleError(f"{self.path}: nothing was published here")
        with self._locked():
            pointer = self.pointer
            assert pointer is not None  # it is only ever replaced
            if to is None:
                if not pointer.before:
                    raise BundleError(f"{self.path}: {pointer.current} is the first; none was before it")
                to = pointer.before[-1]
            if to not in self.ids():
                raise BundleError(f"{self.path}: no bundle {to[:40]!r} here; known: {', '.join(self.ids())}")
            Bundle.load(self.path / to, admission)
            if to in pointer.before:
                last = len(pointer.before) - 1 - pointer.before[::-1].index(to)
                pointer = Pointer(current=to, before=pointer.before[:last])
            else:
                pointer = pointer.to(to)
            pointer.write(self.path)
        return to

    def ids(self) -> list[str]:
        """Of the bundles kept here, by the time they were written."""
        found = [each for each in self.path.glob("[0-9a-f]" * 16) if each.is_dir() and not each.is_symlink()]
        return [each.name for each in sorted(found, key=lambda each: (each.stat().st_mtime_ns, each.name))]

    def manifests(self) -> list[Manifest]:
        """Of the bundles kept here, files checked.

        Raises:
            BundleError: one was altered, or there is none.
        """
        ids = self.ids()
        if not ids:
            raise BundleError(f"{self.path}: nothing was published here")
        return [folder.read(self.path / each)[0] for each in ids]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; readers never wait."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise BundleError(f"{self.path}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
