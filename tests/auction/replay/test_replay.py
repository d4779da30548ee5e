"""Replay: the unchanged policy is exact, and whatever was changed is found and named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auction.auction import hold_auction
from auction.errors import InputError
from auction.log import DecisionLog, LogWriter
from auction.log.part import part_files
from auction.policy import AuctionPolicy, Pricing
from auction.reason import Reason
from auction.replay import compare, replay


def bare(record: object, **changes: object) -> object:
    return replace(record, context={}, features={}, **changes)  # type: ignore[type-var]


def decided(record: object, policy: AuctionPolicy, name: str) -> object:
    outcome = hold_auction(record.slate, policy)  # type: ignore[attr-defined]
    ids = [f"slot-{slot}" for slot in range(int(np.count_nonzero(outcome.position)))]
    return bare(record, policy_hash=name, outcome=outcome, placement_id=ids)


def tampered(record: object, **columns: object) -> object:
    return bare(record, outcome=replace(record.outcome, **columns))  # type: ignore[attr-defined]


def test_thousands_of_decisions_replay_without_a_difference(
    make_records: Callable, write_log: Callable
) -> None:
    folder = write_log(make_records(3000, seed=1), flush_records=500)
    done: list[int] = []
    report = replay(folder, progress=done.append)
    assert (report.decisions, report.differences, report.exact) == (3000, 0, True)
    assert report.to_json()["differences"] == 0
    assert sum(done) == 3000


@pytest.mark.parametrize("cores", [2, 5, None])
def test_any_number_of_cores_decides_the_same(
    cores: int | None, make_records: Callable, write_log: Callable, policy: AuctionPolicy
) -> None:
    folder = write_log(make_records(300, seed=1), flush_records=120)
    again = policy.model_copy(update={"exchange_rate": 20_000.0})
    assert replay(folder, cores=cores) == replay(folder)
    assert compare(folder, again, cores=cores) == compare(folder, again)


def test_a_difference_is_found_on_any_number_of_cores(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    records = make_records(60)
    with LogWriter(tmp_path, "w") as writer:
        writer.keep(policy)
        for n, record in enumerate(records):
            dearer = record.outcome.price_micros + ((record.outcome.position > 0) & (n % 7 == 0))
            writer.append(tampered(record, price_micros=dearer))
    report = replay(tmp_path, cores=3)
    assert not report.exact
    assert report == replay(tmp_path)


@pytest.mark.parametrize("cores", [0, -1])
def test_no_cores_are_refused(cores: int, policy: AuctionPolicy, tmp_path: Path) -> None:
    for decide in (lambda: replay(tmp_path, cores=cores), lambda: compare(tmp_path, policy, cores=cores)):
        with pytest.raises(InputError) as caught:
            decide()
        assert caught.value.field == "cores"


@pytest.mark.slow
def test_forty_thousand_decisions_replay_without_a_difference(
    make_records: Callable, write_log: Callable
) -> None:
    report = replay(write_log(make_records(40_000, seed=2)))
    assert (report.decisions, report.differences) == (40_000, 0)


@pytest.mark.parametrize("pricing", list(Pricing))
def test_every_pricing_rule_replays_exactly(
    pricing: Pricing, make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    other = policy.model_copy(update={"pricing": pricing})
    with LogWriter(tmp_path, "w") as writer:
        name = writer.keep(other)
        for record in make_records(200, seed=5):
            writer.append(decided(record, other, name))
    assert replay(tmp_path).differences == 0


def test_each_decision_is_replayed_under_its_own_policy(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    other = policy.model_copy(update={"exchange_rate": 30_000.0})
    with LogWriter(tmp_path, "w") as writer:
        names = [writer.keep(one) for one in (policy, other)]
        for n, record in enumerate(make_records(200)):
            writer.append(decided(record, (policy, other)[n % 2], names[n % 2]))
    report = replay(tmp_path)
    assert report.differences == 0
    assert report.policies == tuple(sorted(names))


def test_a_decision_without_an_auction_is_counted_and_not_replayed(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    with LogWriter(tmp_path, "w") as writer:
        writer.keep(policy)
        first, second = make_records(2)
        writer.append(bare(first))
        nothing = replace(second.outcome, value_micros=-1.0)
        writer.append(bare(second, held=False, degraded="overload", outcome=nothing))
    report = replay(tmp_path)
    assert (report.decisions, report.not_held, report.differences) == (1, 1, 0)


@pytest.mark.parametrize(
    "field", ["price_micros", "setter", "setter_ad_id", "position", "exposure", "reason"]
)
def test_a_changed_outcome_is_found_and_named(
    field: str, make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    records = make_records(100)
    victim = next(n for n, r in enumerate(records) if len(r.placement_id) >= 2)
    ad = records[victim].shown()[1]
    column = getattr(records[victim].outcome, field).copy()
    column[ad] = Reason.OUTBID if field == "reason" else column[ad] + 1
    with LogWriter(tmp_path, "w") as writer:
        writer.keep(policy)
        for n, record in enumerate(records):
            writer.append(tampered(record, **{field: column}) if n == victim else bare(record))
    report = replay(tmp_path)
    assert (report.decisions, report.differences, report.exact) == (100, 1, False)
    assert report.by_field == {field: 1}
    (difference,) = report.first
    assert difference.request_id == records[victim].request_id
    assert difference.ad_id == records[victim].slate.ad_id[ad]
    assert difference.field == field
    assert str(records[victim].slate.ad_id[ad]) in str(difference)


def test_an_ad_added_or_taken_away_is_found(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    records = make_records(100)
    fewer = next(n for n, r in enumerate(records) if len(r.placement_id) == 1)
    more = next(n for n, r in enumerate(records) if n > fewer and (r.outcome.position == 0).any())
    with LogWriter(tmp_path, "w") as writer:
        writer.keep(policy)
        for n, record in enumerate(records):
            if n == fewer:
                zero = np.zeros(len(record.slate.ad_id), np.int64)
                code = zero.astype(np.int8)
                none = {"position": zero, "price_micros": zero, "setter_ad_id": zero, "setter": code}
                changed = replace(record.outcome, **none, exposure=zero.astype(np.float64))
                writer.append(bare(record, outcome=changed, placement_id=[]))
            elif n == more:
                position = record.outcome.position.copy()
                position[int(np.flatnonzero(position == 0)[0])] = position.max() + 5
                changed = replace(record.outcome, position=position)
                writer.append(bare(record, outcome=changed, placement_id=[*record.placement_id, "extra"]))
            else:
                writer.append(bare(record))
    report = replay(tmp_path)
    assert report.differences == 2
    assert {one.request_id for one in report.first} == {records[n].request_id for n in (fewer, more)}


def test_a_value_of_the_layout_that_differs_in_the_last_bit_is_found(
    make_records: Callable, policy: AuctionPolicy, tmp_path: Path
) -> None:
    records = make_records(20)
    victim = next(n for n, r in enumerate(records) if r.outcome.value_micros > 0)
    with LogWriter(tmp_path, "w") as writer:
        writer.keep(policy)
        for n, record in enumerate(records):
            value = record.outcome.value_micros
            writer.append(
                tampered(record, value_micros=np.nextafter(value, 2 * value) if n == victim else value)
            )
    report = replay(tmp_path)
    assert report.by_field == {"value_micros": 1}
    assert report.first[0].ad_id is None


def test_a_price_changed_in_the_file_is_found(make_records: Callable, write_log: Callable) -> None:
    folder = Path(write_log(make_records(200), flush_records=100))
    part = part_files(folder)[0]
    table = pq.ParquetFile(part).read()
    prices = table.column("price_micros").to_pylist()
    row = next(n for n, one in enumerate(prices) if one)
    prices[row][0] += 1
    field = table.schema.field("price_micros")
    at = table.schema.get_field_index("price_micros")
    pq.write_table(table.set_column(at, field, pa.array(prices, field.type)), part)
    report = replay(folder)
    assert report.differences == 1
    assert report.first[0].request_id == table.column("request_id")[row].as_py()


def test_a_bid_changed_in_the_file_is_found_although_the_outcome_was_not_touched(
    make_records: Callable, write_log: Callable
) -> None:
    folder = Path(write_log(make_records(200)))
    part = part_files(folder)[0]
    table = pq.ParquetFile(part).read()
    bids = [[9 * bid for bid in one] for one in table.column("bid_micros").to_pylist()]
    field = table.schema.field("bid_micros")
    at = table.schema.get_field_index("bid_micros")
    pq.write_table(table.set_column(at, field, pa.array(bids, field.type)), part)
    assert replay(folder).differences > 50


def test_reading_does_not_depend_on_how_the_log_was_cut_into_parts(
    make_records: Callable, write_log: Callable
) -> None:
    records = make_records(150)
    one, many = (DecisionLog(write_log(records, name=str(n), flush_records=n)) for n in (1000, 7))
    assert len(many.files) > len(one.files)
    assert replay(one).to_json() | {"log": ""} == replay(many).to_json() | {"log": ""}
