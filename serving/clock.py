"""What time it is for money: the machine's, or that of simulated traffic."""

import threading


class TrafficClock:
    """The latest time that any request or event has told; a start before the first one.

    Simulated days pass in minutes, and leases, expiry and pacing must pass with them. It never goes
    back. Safe to use from several threads.
    """

    def __init__(self, start: float) -> None:
        self._now = start
        self._told = False
        self._lock = threading.Lock()

    def note(self, time: float) -> None:
        """Traffic of `time` (UTC seconds) has come; the first to come sets the clock."""
        with self._lock:
            self._now = max(self._now, time) if self._told else time
            self._told = True

    def __call__(self) -> float:
        return self._now
