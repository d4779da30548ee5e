"""The snapshot that is served now."""

import threading

from adsrank.catalog.snapshot import Snapshot


class SnapshotHolder:
    """One reference, swapped whole: a reader sees the old snapshot or the new one, never a mixture.

    Readers take `current` once a request and keep to it. Snapshots never change, so no lock is
    needed to read.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._current = snapshot
        self._lock = threading.Lock()

    @property
    def current(self) -> Snapshot:
        """The snapshot that is served now."""
        return self._current

    def swap(self, snapshot: Snapshot) -> Snapshot:
        """Serve `snapshot` from now on and return the one before.

        Raises:
            ValueError: `snapshot` is of an older version than the one served.
        """
        with self._lock:
            before = self._current
            if snapshot.sequence < before.sequence:
                raise ValueError(
                    f"snapshot {snapshot.version} is older than {before.version}, which is served"
                )
            self._current = snapshot
            return before
