"""The log's reader: whatever is in the folder, one clear error that names the file, or the truth."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from auction.errors import InputError
from auction.log import DecisionLog
from auction.log import part as part_module
from auction.log.part import part_files
from auction.log.reader import _constants
from auction.replay import replay


@pytest.fixture
def folder(make_records: Callable, write_log: Callable) -> Path:
    return Path(write_log(make_records(120), flush_records=40))


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def with_column(name: str, edit: Callable[[list], None]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        edit(values)
        at = table.schema.get_field_index(name)
        return table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))

    return change


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        replay(folder)
    return str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere" in refusal(tmp_path / "nowhere")


def test_an_empty_folder_is_not_an_exact_replay(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(tmp_path)


def test_a_truncated_part_is_named(folder: Path) -> None:
    part = part_files(folder)[1]
    part.write_bytes(part.read_bytes()[:-200])
    assert part.name in refusal(folder)


def test_an_empty_part_is_named(folder: Path) -> None:
    part = part_files(folder)[0]
    part.write_bytes(b"")
    assert part.name in refusal(folder)


def test_a_flipped_bit_inside_a_page_is_caught_and_the_file_named(folder: Path) -> None:
    part = part_files(folder)[0]
    chunk = next(
        column
        for column in map(pq.ParquetFile(part).metadata.row_group(0).column, range(40))
        if column.path_in_schema == "p_click.list.element"
    )
    content = bytearray(part.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    part.write_bytes(content)
    assert part.name in refusal(folder)


def test_random_bytes_never_raise_anything_but_input_errors(folder: Path) -> None:
    part = part_files(folder)[0]
    whole = part.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for at in generator.integers(len(whole) - 4_000, len(whole), 3):
            content[at] = generator.integers(256)
        part.write_bytes(content)
        with contextlib.suppress(InputError):
            replay(folder)


@pytest.mark.parametrize(
    ("limit", "field"),
    [("MAX_GROUP_ROWS", "rows"), ("MAX_GROUP_BYTES", "bytes"), ("MAX_GROUP_VALUES", "values")],
)
def test_a_part_larger_than_any_writer_makes_is_refused_unread(
    folder: Path, limit: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, limit, 20)
    monkeypatch.setattr("auction.log.reader.read_group", None)
    message = refusal(folder)
    assert f"{part_files(folder)[0].name}: {field}" in message
    assert "20" in message


def test_parquet_of_another_origin_is_refused_by_name(folder: Path) -> None:
    foreign = part_files(folder)[0].with_name("part-foreign-00000001.parquet")
    pq.write_table(pa.table({"a": [1, 2]}), foreign)
    assert foreign.name in refusal(folder)


def test_another_schema_version_is_refused_and_says_which(folder: Path) -> None:
    part = part_files(folder)[0]
    rewrite(
        part,
        lambda t: t.replace_schema_metadata({**t.schema.metadata, b"adsrank.version": b"99"}),
    )
    message = refusal(folder)
    assert part.name in message
    assert "99" in message


@pytest.mark.parametrize("name", ["bid_micros", "seed", "shown_position", "reason"])
def test_a_missing_column_is_named(folder: Path, name: str) -> None:
    part = part_files(folder)[0]
    rewrite(part, lambda table: table.drop_columns([name]))
    message = refusal(folder)
    assert part.name in message
    assert name in message


def test_ids_stored_as_floats_are_refused(folder: Path) -> None:
    part = part_files(folder)[0]

    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("ad_id")
        floats = table.column("ad_id").cast(pa.list_(pa.float64()))
        return table.set_column(at, "ad_id", floats)

    rewrite(part, change)
    assert f"{part.name}: ad_id" in refusal(folder)


def test_lists_of_other_lengths_are_refused(folder: Path) -> None:
    part = part_files(folder)[0]

    def edit(lists: list) -> None:
        next(one for one in lists if one).pop()

    rewrite(part, with_column("p_save", edit))
    assert f"{part.name}: p_save" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("billable", 9), ("tolerance", -1), ("organic_grade", 3), ("reason", 120), ("setter", 77)],
)
def test_codes_that_are_not_known_are_refused(folder: Path, name: str, value: int) -> None:
    part = part_files(folder)[0]

    def edit(lists: list) -> None:
        next(one for one in lists if one)[0] = value

    rewrite(part, with_column(name, edit))
    message = refusal(folder)
    assert f"{part.name}: {name}" in message
    assert str(value) in message


@pytest.mark.parametrize(
    ("name", "value"), [("shown_index", 10**6), ("shown_index", -1), ("shown_position", 0)]
)
def test_indexes_out_of_range_are_refused(folder: Path, name: str, value: int) -> None:
    part = part_files(folder)[0]

    def edit(lists: list) -> None:
        next(one for one in lists if one)[0] = value

    rewrite(part, with_column(name, edit))
    assert f"{part.name}: {name}" in refusal(folder)


def test_a_bid_that_no_auction_takes_is_refused_with_the_file(folder: Path) -> None:
    part = part_files(folder)[0]

    def edit(lists: list) -> None:
        next(one for one in lists if one)[0] = -5

    rewrite(part, with_column("bid_micros", edit))
    message = refusal(folder)
    assert part.name in message
    assert "bid_micros" in message


def test_a_missing_policy_file_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "policies")
    assert "policies" in refusal(folder)


def test_a_policy_changed_after_the_fact_is_refused(folder: Path) -> None:
    (policy,) = (folder / "policies").iterdir()
    policy.write_text(policy.read_text().replace("second_price", "first_price"))
    message = refusal(folder)
    assert policy.name in message
    assert "changed" in message


def test_a_policy_hash_that_is_a_path_is_refused(folder: Path) -> None:
    part = part_files(folder)[0]

    def edit(values: list) -> None:
        values[0] = "../../etc/passwd"

    rewrite(part, with_column("policy_hash", edit))
    assert "16 hex digits" in refusal(folder)


def test_columns_of_one_value_are_filled_in_from_statistics(
    make_records: Callable, write_log: Callable
) -> None:
    from dataclasses import replace

    records = [
        replace(r, slate=replace(r.slate, multiplier=np.ones(len(r.slate.ad_id)))) for r in make_records(50)
    ]
    folder = write_log(records, name="constant")
    (part,) = part_files(Path(folder))
    file = pq.ParquetFile(part)
    columns = {"multiplier": 1.0, "reserve_micros": 0}
    assert _constants(file, 0) == columns
    (batch,) = DecisionLog(folder).decisions()
    assert np.array_equal(batch.slates.multiplier, np.ones(len(batch.slates.ad_id)))


def test_a_nan_among_equal_values_is_not_taken_for_a_constant(
    make_records: Callable, write_log: Callable
) -> None:
    from dataclasses import replace

    records = []
    for n, record in enumerate(r for r in make_records(50) if len(r.slate.ad_id)):
        p_save = np.zeros(len(record.slate.ad_id))
        p_save[0] = np.nan if n == 7 else 0.0
        records.append(replace(record, slate=replace(record.slate, p_save=p_save)))
    (batch,) = DecisionLog(write_log(records, name="nan")).decisions()
    assert np.isnan(batch.slates.p_save).sum() == 1


def test_the_number_of_decisions_comes_from_the_footers(folder: Path) -> None:
    assert len(DecisionLog(folder)) == 120
