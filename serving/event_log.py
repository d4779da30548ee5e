"""Writes settled events beside the decision log, for training and analysis."""

import threading

import structlog

from auction.errors import InputError
from auction.log.events import EventWriter, LoggedEvent
from auction.log.part import LogError

log = structlog.get_logger()

MAX_QUEUED = 200_000


class EventLog:
    """Queues events and writes them in a thread of its own, a file per flush and hour.

    The ledger holds every event durably before it comes here: this is the copy that training reads. A
    killed process loses what was queued since the last flush, and while the disk refuses the oldest
    rows give way beyond `MAX_QUEUED`; `lost` counts them.
    """

    def __init__(self, writer: EventWriter, period_s: float) -> None:
        self._writer = writer
        self._period_s = period_s
        self._queue: list[LoggedEvent] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = 0

    def append(self, events: list[LoggedEvent]) -> None:
        """Queue events; never waits for the disk."""
        with self._lock:
            self._queue += events
            over = len(self._queue) - MAX_QUEUED
            if over > 0:
                del self._queue[:over]
                self.lost += over

    def flush(self) -> None:
        """Write what is queued; what the disk refuses is queued again."""
        with self._lock:
            events, self._queue = self._queue, []
        if not events:
            return
        try:
            self._writer.write(events)
        except (LogError, InputError) as error:
            log.error("events_not_written", queued=len(events), error=str(error))
            with self._lock:
                self._queue = events + self._queue

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="event-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and write the rest."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self.flush()
