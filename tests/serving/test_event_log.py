"""Settled events reach the disk beside the decision log, whatever the disk did before."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from auction.log.events import EventWriter, LoggedEvent, read_events
from auction.log.part import LogError
from serving import event_log
from serving.event_log import EventLog


def event(number: int) -> LoggedEvent:
    return LoggedEvent(
        event_id=f"e{number}",
        placement_id=f"r{number}/7",
        request_id=f"r{number}",
        ad_id=7,
        campaign_id=3,
        type="click",
        time=datetime(2026, 3, 1, 12, tzinfo=UTC),
        value_micros=0,
        charge_micros=100,
        status="charged",
    )


def written(folder: Path) -> list[str]:
    tables = list(read_events(folder))
    return pa.concat_tables(tables).column("event_id").to_pylist() if tables else []


def test_what_is_queued_is_written_once(tmp_path: Path):
    log = EventLog(EventWriter(tmp_path, "one"), 60.0)
    log.append([event(1), event(2)])
    log.flush()
    log.flush()
    log.append([event(3)])
    log.close()
    assert written(tmp_path) == ["e1", "e2", "e3"]


def test_the_thread_writes_by_itself(tmp_path: Path):
    log = EventLog(EventWriter(tmp_path, "one"), 0.01)
    log.start()
    log.append([event(1)])
    log.close()
    assert written(tmp_path) == ["e1"]


class Full:
    """A disk that refuses, then does not."""

    def __init__(self, writer: EventWriter) -> None:
        self.writer, self.refuses = writer, True

    def write(self, events: list[LoggedEvent]) -> None:
        if self.refuses:
            raise LogError("no space left")
        self.writer.write(events)


def test_events_wait_for_a_disk_that_refuses(tmp_path: Path):
    disk = Full(EventWriter(tmp_path, "one"))
    log = EventLog(disk, 60.0)
    log.append([event(1)])
    log.flush()
    log.append([event(2)])
    disk.refuses = False
    log.flush()
    assert written(tmp_path) == ["e1", "e2"]


def test_the_queue_is_bounded_and_says_what_it_lost(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(event_log, "MAX_QUEUED", 2)
    log = EventLog(EventWriter(tmp_path, "one"), 60.0)
    log.append([event(1), event(2), event(3)])
    log.close()
    assert log.lost == 1
    assert written(tmp_path) == ["e2", "e3"]
