"""Writes the decision log."""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from auction.errors import InputError
from auction.log.part import LogError, hour_of, next_sequence, part_path, write_part, writer_name
from auction.log.policies import keep_policy
from auction.log.record import DecisionRecord
from auction.log.schema import HEADS, decision_schema
from auction.log.table import check_names, record_table
from auction.policy import AuctionPolicy


class LogWriter:
    """Appends decisions to a folder of Parquet parts, one part per flush and UTC hour.

    Thread-safe. No record is ever dropped by choice: `append` only queues; at `flush_records` queued
    records (or `flush_candidates` candidates in them) a part is written, by the background thread where
    one runs, else by the caller. At `max_records` queued records the caller writes them itself and
    waits: that is the back-pressure. Where the disk refuses, records stay queued for the next flush
    until the queue is full; from then on `append` raises `LogError` and has not taken the record, so
    that the caller can decline to show ads it could not account for. A killed process loses what was
    queued and nothing else: no reader ever sees half a part.
    """

    def __init__(
        self,
        folder: str | Path,
        writer_id: str,
        *,
        heads: Sequence[str] = HEADS,
        context: Sequence[pa.Field] = (),
        features: Sequence[pa.Field] = (),
        flush_records: int = 4_096,
        flush_candidates: int = 1_000_000,
        max_records: int = 16_384,
    ) -> None:
        """`context` and `features` are the fields of the request and of the shown ads to keep beside
        the decision, for training; `writer_id` is unique among live writers of the folder.

        Raises:
            InputError: a writer id that is no file name, or limits that contradict each other.
        """
        if not 1 <= flush_records <= max_records:
            raise InputError("flush_records", flush_records, f"between 1 and max_records ({max_records})")
        self._folder = Path(folder)
        self._writer_id = writer_name(writer_id)
        self._schema = decision_schema(heads, context, features)
        self._flush_records, self._flush_candidates = flush_records, flush_candidates
        self._max_records = max_records
        self._queue: list[DecisionRecord] = []
        self._candidates = 0
        self._kept: set[str] = set()
        self._written = self._blanked = 0
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: LogError | None = None
        self._sequence = next_sequence(self._folder, self._writer_id)

    @property
    def written(self) -> int:
        """Records on the disk, by this writer."""
        return self._written

    @property
    def blanked(self) -> int:
        """Features that did not fit their column and were written as null."""
        return self._blanked

    @property
    def queued(self) -> int:
        """Records that are not on the disk yet."""
        return len(self._queue)

    @property
    def failure(self) -> LogError | None:
        """Why the last background flush failed; null once one succeeds."""
        return self._failure

    def keep(self, policy: AuctionPolicy) -> str:
        """Store the resolved policy beside the log, once; returns its hash, for the records."""
        name = keep_policy(self._folder, policy)
        self._kept.add(name)
        return name

    def append(self, record: DecisionRecord) -> None:
        """Queue a record.

        Raises:
            InputError: the record could not be read back, has a feature that the log does not know, or a
                policy that was not given to `keep`.
            LogError: the queue is full and the disk refuses; the record was not taken.
        """
        record.check()
        check_names(record, self._schema)
        if record.policy_hash not in self._kept:
            raise InputError("policy_hash", record.policy_hash, "give its policy to keep() first")
        if len(self._queue) >= self._max_records:
            self.flush()
        with self._lock:
            if len(self._queue) >= self._max_records:
                raise LogError(f"{self._folder}: the log's queue of {self._max_records} records is full")
            self._queue.append(record)
            self._candidates += len(record.slate.ad_id)
            due = len(self._queue) >= self._flush_records or self._candidates >= self._flush_candidates
        if due and self._thread is not None:
            self._wake.set()
        elif due:
            self.flush()

    def flush(self) -> int:
        """Write every queued record to parts, one per UTC hour; returns how many records.

        Raises:
            LogError: the disk refuses; what was not written is queued still.
        """
        with self._disk:
            with self._lock:
                records = list(self._queue)
            hours: dict[str, list[DecisionRecord]] = {}
            for record in records:
                hours.setdefault(hour_of(record.time).isoformat(), []).append(record)
            for _, group in sorted(hours.items()):
                self._write(group)
            return len(records)

    def start(self, interval_s: float = 1.0) -> Self:
        """Flush in a background thread, at least every `interval_s` seconds."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._run, args=(interval_s,), name=f"log-{self._writer_id}", daemon=True
            )
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop the background thread and write what is queued."""
        if self._thread is not None:
            self._stop.set()
            self._wake.set()
            self._thread.join()
            self._thread = None
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, interval_s: float) -> None:
        while not self._stop.is_set():
            self._wake.wait(interval_s)
            self._wake.clear()
            try:
                self.flush()
                self._failure = None
            except LogError as error:
                self._failure = error

    def _write(self, group: list[DecisionRecord]) -> None:
        table, blanked = record_table(group, self._schema)
        path = part_path(self._folder, hour_of(group[0].time), self._writer_id, self._sequence)
        write_part(path, table)
        self._sequence += 1
        self._written += len(group)
        self._blanked += blanked
        gone = {id(record) for record in group}
        with self._lock:
            self._queue = [record for record in self._queue if id(record) not in gone]
            self._candidates = sum(len(record.slate.ad_id) for record in self._queue)
