"""The event table beside the log, and the placements that events belong to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auction.errors import InputError
from auction.log import DecisionLog
from auction.log.events import EventWriter, LoggedEvent, read_events
from auction.log.part import part_files
from auction.log.placements import gaps, placements

CLICK = LoggedEvent(
    event_id="e-1",
    placement_id="p-1",
    request_id="r-1",
    ad_id=2**62 + 1,
    campaign_id=5,
    type="click",
    time=datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC),
    value_micros=0,
    charge_micros=2**53 + 1,
    status="charged",
)


def test_events_come_back_with_exact_ids_and_money(tmp_path: Path) -> None:
    later = replace(CLICK, event_id="e-2", type="conversion", time=CLICK.time + timedelta(seconds=5))
    EventWriter(tmp_path, "ingest-0").write([CLICK, later])
    rows = pa.concat_tables(read_events(tmp_path)).to_pylist()
    assert [LoggedEvent(**row) for row in rows] == [CLICK, later]
    assert len(part_files(tmp_path / "events")) == 2


def test_a_second_writer_of_the_same_name_appends(tmp_path: Path) -> None:
    EventWriter(tmp_path, "ingest-0").write([CLICK])
    EventWriter(tmp_path, "ingest-0").write([replace(CLICK, event_id="e-2")])
    assert [row["event_id"] for t in read_events(tmp_path) for row in t.to_pylist()] == ["e-1", "e-2"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "purchase"}, "type"),
        ({"time": datetime(2026, 3, 1)}, "time"),
        ({"ad_id": "12"}, "ad_id"),
        ({"charge_micros": 2**63}, "charge_micros"),
        ({"event_id": 12}, "event_id"),
    ],
)
def test_an_event_that_would_not_come_back_writes_nothing(change: dict, field: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=field):
        EventWriter(tmp_path, "w").write([CLICK, replace(CLICK, **change)])
    assert list(read_events(tmp_path)) == []


def test_a_decision_part_among_the_events_is_refused_by_name(
    tmp_path: Path, make_records: Callable, write_log: Callable
) -> None:
    EventWriter(tmp_path, "w").write([CLICK])
    part = part_files(tmp_path / "events")[0]
    decision = part_files(Path(write_log(make_records(5))))[0]
    stray = part.with_name("part-stray-00000001.parquet")
    stray.write_bytes(decision.read_bytes())
    with pytest.raises(InputError, match=stray.name):
        list(read_events(tmp_path))


def test_a_null_in_an_event_is_refused(tmp_path: Path) -> None:
    EventWriter(tmp_path, "w").write([CLICK])
    (part,) = part_files(tmp_path / "events")
    table = pq.ParquetFile(part).read()
    nullable = pa.schema([f.with_nullable(True) for f in table.schema], metadata=table.schema.metadata)
    columns = [pa.nulls(1, f.type) if f.name == "ad_id" else table.column(f.name) for f in nullable]
    pq.write_table(pa.table(columns, schema=nullable), part)
    with pytest.raises(InputError, match="ad_id"):
        list(read_events(tmp_path))


def test_placements_are_the_shown_ads_with_their_features(
    make_records: Callable, write_log: Callable
) -> None:
    records = make_records(200)
    table = pa.concat_tables(placements(DecisionLog(write_log(records, flush_records=64))))
    expected = []
    for record in records:
        last = -record.slate.positions_since_ad if record.slate.positions_since_ad >= 0 else None
        for slot, ad in enumerate(record.shown()):
            position = int(record.outcome.position[ad])
            expected.append(
                {
                    "placement_id": record.placement_id[slot],
                    "request_id": record.request_id,
                    "user_id": record.user_id,
                    "ad_id": int(record.slate.ad_id[ad]),
                    "campaign_id": int(record.slate.campaign_id[ad]),
                    "position": position,
                    "gap": 0 if last is None else position - last,
                    "user_interests": record.context["user_interests"],
                    "similarity": record.features["similarity"][slot],
                    "time": record.time,
                }
            )
            last = position
    assert table.num_rows == len(expected) > 100
    assert table.select(list(expected[0])).to_pylist() == expected


def test_gaps_reach_over_the_page_boundary() -> None:
    start, position = np.array([0, 2, 2, 3]), np.array([2, 6, 4])
    assert gaps(start, position, np.array([-1, 3, 0])).tolist() == [0, 4, 4]
    assert gaps(start, position, np.array([5, 3, -1])).tolist() == [7, 4, 0]
