"""The decision log: what goes in comes out, whatever happens to the process or the disk."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auction.errors import InputError
from auction.log import DecisionLog, DecisionRecord, LogError, LogWriter
from auction.log import writer as writer_module
from auction.log.part import part_files
from auction.outcome import Outcome
from auction.policy import AuctionPolicy
from auction.slate import Slate


def same_bits(a: object, b: object) -> bool:
    """Equality of every field, to the bit: NaN equals NaN, 0.0 is not -0.0."""
    if isinstance(a, np.ndarray):
        b = np.asarray(b)
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    if isinstance(a, Slate | Outcome | DecisionRecord) or hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(
            same_bits(getattr(a, f.name), getattr(b, f.name))
            for f in fields(a)
            if f.name not in ("features", "context")
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_bits(value, b[name]) for name, value in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same_bits(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def test_what_is_written_is_read_back_bit_for_bit(make_records: Callable, write_log: Callable) -> None:
    records = make_records(300)
    back = list(DecisionLog(write_log(records)).records())
    assert len(back) == 300
    for record, read in zip(records, back, strict=True):
        assert same_bits(record, read), record.request_id
        assert read.features["format"] == record.features["format"]
        assert set(read.features) == {"format", "similarity"}
        assert read.context == {name: record.context[name] for name in ("country", "user_interests")}
        assert np.allclose(read.features["similarity"], record.features["similarity"])


def test_the_columns_hold_the_same_slates_and_outcomes(make_records: Callable, write_log: Callable) -> None:
    records = make_records(300, seed=3)
    rows = iter(records)
    for batch in DecisionLog(write_log(records, flush_records=64)).decisions():
        for row in range(len(batch)):
            record = next(rows)
            assert same_bits(record.slate, batch.slates.slate(row))
            assert same_bits(record.outcome, batch.outcome(row))
    assert next(rows, None) is None


FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def odd_records(draw: st.DrawFn, policy_hash: str) -> DecisionRecord:
    n, k = draw(st.integers(0, 4)), draw(st.integers(0, 4))

    def reals(size: int) -> np.ndarray:
        return np.array(draw(st.lists(FLOATS, min_size=size, max_size=size)), np.float64)

    def whole(size: int) -> np.ndarray:
        return np.array(draw(st.lists(INT64, min_size=size, max_size=size)), np.int64)

    def codes(size: int, last: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(0, last), min_size=size, max_size=size)), np.int8)

    shown = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    position = np.zeros(n, np.int64)
    position[shown] = draw(st.permutations(range(1, int(shown.sum()) + 1)))
    slate = Slate(
        seed=draw(st.integers(0, 2**64 - 1)),
        ad_id=whole(n),
        advertiser_id=whole(n),
        campaign_id=whole(n),
        billable=codes(n, 3),
        bid_micros=whole(n),
        multiplier=reals(n),
        p_click=reals(n),
        p_conversion_given_click=reals(n),
        p_click_conversion=reals(n),
        p_save=reals(n),
        p_hide=reals(n),
        tolerance=codes(n, 2),
        relevance=reals(n),
        organic_utility=reals(k),
        organic_grade=codes(k, 2),
        positions_since_ad=draw(st.integers(-1, 2**31)),
        goal=codes(n, 3),
        p_view=reals(n),
        category_id=whole(n),
        reserve_micros=whole(n),
        hold=codes(draw(st.integers(0, 5)), 3),
    )
    outcome = Outcome(
        position=position,
        exposure=np.where(shown, reals(n), 0.0),
        price_micros=np.where(shown, whole(n), 0),
        setter=np.where(shown, codes(n, 4), 0).astype(np.int8),
        setter_ad_id=np.where(shown, whole(n), 0),
        reason=codes(n, 23),
        value_micros=draw(FLOATS),
        organic_value_micros=draw(FLOATS),
        organic_only_value_micros=draw(FLOATS),
        exact=draw(st.booleans()),
    )
    texts = st.text(st.characters(codec="utf-8"), max_size=8)
    return DecisionRecord(
        request_id=draw(texts),
        user_id=draw(st.none() | texts),
        surface=draw(texts),
        time=draw(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))),
        policy_hash=policy_hash,
        slate=slate,
        outcome=outcome,
        organic_id=[draw(texts) for _ in range(k)],
        placement_id=[draw(texts) for _ in range(int(shown.sum()))],
        raw=draw(st.sampled_from([{}, {"click": reals(n)}])),
        held=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_record_comes_back_bit_for_bit(
    data: st.DataObject, policy: AuctionPolicy, tmp_path: Path
) -> None:
    folder = tmp_path / str(time.monotonic_ns())
    records = data.draw(st.lists(odd_records(policy.hash), min_size=1, max_size=4))
    with LogWriter(folder, "w") as writer:
        writer.keep(policy)
        for record in records:
            writer.append(record)
    back = list(DecisionLog(folder).records())
    for record in records:
        assert sum(same_bits(record, read) for read in back) >= 1
    slates = [batch.slates.slate(n) for batch in DecisionLog(folder).decisions() for n in range(len(batch))]
    for record in records:
        assert sum(same_bits(record.slate, slate) for slate in slates) >= 1
    assert len(back) == len(slates) == len(records)


def test_parts_lie_under_the_utc_hour_of_their_decisions(make_records: Callable, write_log: Callable) -> None:
    folder = Path(write_log(make_records(1000)))
    for path in part_files(folder):
        day, hour = path.parts[-3].removeprefix("date="), path.parts[-2].removeprefix("hour=")
        log = DecisionLog(folder)
        log.files = [path]
        assert {record.time.strftime("%Y-%m-%d %H") for record in log.records()} == {f"{day} {hour}"}
    assert len(part_files(folder)) == 3


def test_a_restarted_writer_overwrites_nothing(make_records: Callable, write_log: Callable) -> None:
    records = make_records(40)
    write_log(records[:20])
    folder = write_log(records[20:])
    assert [r.request_id for r in DecisionLog(folder).records()] == [r.request_id for r in records]


def test_a_writer_killed_in_the_middle_leaves_only_whole_parts(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    program = textwrap.dedent(
        """
        import sys
        from datetime import datetime, timezone
        import numpy as np
        from auction.log import DecisionRecord, LogWriter
        from auction.outcome import Outcome
        from auction.policy import AuctionPolicy, Exposure
        from auction.simulation.sample import sample_slates

        batch = sample_slates(np.random.default_rng(0), 50, 30, 10)
        whole, codes = np.zeros(30, np.int64), np.zeros(30, np.int8)
        nothing = Outcome(whole, np.zeros(30), whole, codes, whole, codes + 1, 1.0, 1.0, 1.0)
        writer = LogWriter(sys.argv[1], "killed", flush_records=25)
        name = writer.keep(AuctionPolicy(exposure=Exposure(examination=[1.0, 0.9])))
        for n in range(10**9):
            writer.append(DecisionRecord(
                request_id=str(n), surface="home", time=datetime(2026, 1, 1, tzinfo=timezone.utc),
                policy_hash=name, slate=batch.slate(n % 50), outcome=nothing,
                organic_id=["pin"] * 10,
            ))
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parents[3])
    try:
        waited = time.monotonic()
        while len(part_files(folder)) < 5:
            assert child.poll() is None
            assert time.monotonic() - waited < 60
            time.sleep(0.005)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    records = list(DecisionLog(folder).records())
    assert [record.request_id for record in records] == [str(n) for n in range(len(records))]
    assert len(records) == 25 * len(part_files(folder))


def test_a_part_still_being_written_is_not_read(make_records: Callable, write_log: Callable) -> None:
    folder = Path(write_log(make_records(20)))
    part = part_files(folder)[0]
    part.with_name(f".{part.name}.77.tmp").write_bytes(part.read_bytes()[:300])
    part.with_name("part-x.parquet.tmp").write_bytes(b"half")
    assert len(list(DecisionLog(folder).records())) == 20


def test_threads_share_a_writer_and_no_record_is_lost(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    records = make_records(800)
    writer = LogWriter(tmp_path, "w", flush_records=50, max_records=100).start(interval_s=0.01)
    writer.keep(policy)

    def append(part: int) -> None:
        for record in records[part::4]:
            writer.append(replace(record, context={}, features={}))

    threads = [threading.Thread(target=append, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert writer.written == 800
    assert writer.queued == 0
    assert sorted(r.request_id for r in DecisionLog(tmp_path).records()) == sorted(
        r.request_id for r in records
    )


def test_a_full_disk_pushes_back_and_nothing_taken_is_lost(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [replace(record, context={}, features={}) for record in make_records(30)]
    writer = LogWriter(tmp_path, "w", flush_records=100, max_records=100)
    writer._flush_records, writer._max_records = 50, 20
    writer.keep(policy)
    write_part = writer_module.write_part

    def refuse(path: Path, table: object) -> None:
        raise LogError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(writer_module, "write_part", refuse)
    for record in records[:20]:
        writer.append(record)
    with pytest.raises(LogError, match="No space left"):
        writer.append(records[20])
    assert writer.queued == 20
    monkeypatch.setattr(writer_module, "write_part", write_part)
    for record in records[20:]:
        writer.append(record)
    writer.close()
    assert [r.request_id for r in DecisionLog(tmp_path).records()] == [r.request_id for r in records]


def test_a_folder_that_is_a_file_is_one_clear_error(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("in the way")
    writer = LogWriter(tmp_path / "log", "w")
    with pytest.raises(LogError, match="log"):
        writer.keep(policy)


def test_a_feature_that_does_not_fit_costs_itself_and_not_the_decision(
    make_records: Callable, write_log: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    import pyarrow as pa

    record = next(r for r in make_records(50) if len(r.placement_id) >= 2)
    odd = replace(
        record,
        context={"country": 7, "user_interests": ["no", "numbers"]},
        features={"similarity": ["high", *[0.5] * (len(record.placement_id) - 1)]},
    )
    context = [pa.field("country", pa.string()), pa.field("user_interests", pa.list_(pa.int32()))]
    with LogWriter(tmp_path, "w", context=context, features=[pa.field("similarity", pa.float32())]) as writer:
        writer.keep(policy)
        writer.append(odd)
    (back,) = DecisionLog(tmp_path).records()
    assert back.context == {"country": None, "user_interests": None}
    assert back.features["similarity"][:2] == [None, 0.5]
    assert writer.blanked == 3
    assert same_bits(back.slate, record.slate)


def test_records_that_could_not_be_replayed_are_refused(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    record = next(r for r in make_records(50) if (r.outcome.position == 0).any() and r.placement_id)
    record = replace(record, context={}, features={})
    writer = LogWriter(tmp_path, "w")
    with pytest.raises(InputError, match="policy_hash"):
        writer.append(record)
    writer.keep(policy)
    hidden = int(np.flatnonzero(record.outcome.position == 0)[0])
    price = record.outcome.price_micros.copy()
    price[hidden] = 7
    for bad, field in (
        (replace(record, outcome=replace(record.outcome, price_micros=price)), rf"price_micros\[{hidden}\]"),
        (replace(record, slate=replace(record.slate, ad_id=record.slate.ad_id.astype(np.float64))), "ad_id"),
        (replace(record, slate=replace(record.slate, p_click=record.slate.p_click[1:])), "p_click"),
        (replace(record, organic_id=["one too few"] * (len(record.organic_id) - 1)), "organic_id"),
        (replace(record, placement_id=[]), "placement_id"),
        (replace(record, time=datetime(2026, 1, 1)), "time"),
        (replace(record, request_id=12), "request_id"),
        (replace(record, slate=replace(record.slate, seed=2**64)), "seed"),
        (replace(record, features={"colour": ["red"] * len(record.placement_id)}), "colour"),
        (replace(record, raw={"click": record.slate.p_click, "share": record.slate.p_click}), "share"),
    ):
        with pytest.raises(InputError, match=field):
            writer.append(bad)
    assert writer.queued == 0


def test_a_policy_without_exposure_is_not_a_resolved_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exposure"):
        LogWriter(tmp_path, "w").keep(AuctionPolicy())


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65, "new\nline"])
def test_a_writer_id_that_is_no_file_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="writer_id"):
        LogWriter(tmp_path, name)
