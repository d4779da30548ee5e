"""A table that is streamed gives what one in memory gives, however it is cut into parts."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.models.bundle import Bundle
from adsrank.models.config import ModelConfig
from adsrank.training import TrainConfig, run
from adsrank.training.parts import Parts
from adsrank.training.prepare import prepare_parts, prepare_table, stored
from adsrank.training.rows import evenly, joined

SPEC = FeatureSpec.default()
SMALL = TrainConfig(epochs=1, batch_size=512, window_rows=1500, model=ModelConfig(sequence=None))


@pytest.fixture(scope="module")
def table(few_rows):
    """With a number that is missing here and there, one that is not finite, and a word that is null."""
    odd = few_rows["similarity"].to_numpy().copy()
    odd[::17], odd[5::101] = np.nan, np.inf
    words = few_rows["country"].to_pylist()
    words[::13] = [None] * len(words[::13])
    found = few_rows.set_column(
        few_rows.column_names.index("similarity"), "similarity", pa.array(odd, from_pandas=True)
    )
    return found.set_column(found.column_names.index("country"), "country", pa.array(words))


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    at = 0
    for number, rows in enumerate((1000, 3, 2500, len(table) - 3503)):
        pq.write_table(table.slice(at, rows), folder / f"{number}.parquet", row_group_size=700)
        at += rows
    return folder


def same(one, other) -> None:
    """The same rows, up to how far lists are padded."""
    batches = joined([one[0], other[0]])
    n = len(one[0])
    for half in (batches.request, batches.ad):
        for values in (half.ids, half.numbers, *half.lists):
            assert np.array_equal(values[:n], values[n:])
    for name in type(one[1]).__dataclass_fields__:
        assert np.array_equal(getattr(one[1], name), getattr(other[1], name)), name


def test_streamed_rows_are_those_of_memory(table, folder, tmp_path):
    """A window that holds all training rows fits the same transform; a smaller one counts the same ids."""
    memory = prepare_table(table, SPEC, SMALL)
    wide = prepare_parts(
        Parts(folder), SPEC, SMALL.model_copy(update={"window_rows": 10_000}), tmp_path / "wide"
    )
    assert wide.transform.to_json() == memory.transform.to_json()
    assert wide.split == memory.split
    same(wide.rows.read(0, len(table)), memory.rows.read(0, len(table)))
    narrow = prepare_parts(Parts(folder), SPEC, SMALL, tmp_path / "narrow").transform.to_json()
    assert narrow["encoders"] == memory.transform.to_json()["encoders"]
    for name, scale in narrow["scales"].items():
        assert scale["mean"] == pytest.approx(memory.transform.scales_[name].mean, abs=0.2)
    again = stored(memory, tmp_path / "again")
    same(again.test.read(3, 90), memory.test.read(3, 90))
    same(evenly(again.train, 700), evenly(memory.train, 700))


def test_an_even_sample_is_every_kth_row(table):
    rows = prepare_table(table, SPEC, SMALL).train
    batch, labels = evenly(rows, 1500)
    step = -(-len(rows) // 1500)
    assert np.array_equal(labels.time, rows.read(0, len(rows))[1].time[::step])
    assert len(batch) == len(labels) <= 1500


def test_one_file_or_many_parts_make_the_same_bundle(table, folder, tmp_path):
    pq.write_table(table, tmp_path / "one.parquet", row_group_size=999)
    one = run(tmp_path / "one.parquet", tmp_path / "a", SMALL)
    many = run(folder, tmp_path / "b", SMALL)
    assert one["bundle"] == many["bundle"]
    assert Bundle.load(tmp_path / "b").manifest.data.rows == len(table)
    assert {path.name for path in tmp_path.iterdir()} == {"one.parquet", "a", "b"}  # nothing else is left
    assert 0.9 < many["heads"]["click"]["pcoc"] < 1.1
    assert many["heads"]["click"]["auc"] > 0.6


def test_rows_out_of_order_are_refused_where_they_cannot_be_sorted(table, tmp_path):
    pq.write_table(table.slice(3000), tmp_path / "0.parquet")
    pq.write_table(table.slice(0, 3000), tmp_path / "1.parquet")
    with pytest.raises(InputError, match=rf"time\[{len(table) - 3000}\]"):
        prepare_parts(Parts(tmp_path), SPEC, SMALL, tmp_path / "rows")
    sorted_here = TrainConfig(epochs=1, batch_size=512, model=ModelConfig(sequence=None))
    assert run(tmp_path, tmp_path / "out", sorted_here)["split"]["train"]["rows"] > 0


def test_a_bad_label_is_named_by_its_row_in_the_file(table, tmp_path, monkeypatch):
    monkeypatch.setattr("adsrank.training.parts.CHUNK", 1000)
    clicks = table["click"].to_numpy().copy()
    clicks[4321] = 7
    wrong = table.set_column(table.column_names.index("click"), "click", pa.array(clicks))
    pq.write_table(wrong, tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"click\[4321\]"):
        prepare_parts(Parts(tmp_path), SPEC, SMALL, tmp_path / "rows")
    backwards = wrong.take(pa.array(np.arange(len(wrong))[::-1]))
    with pytest.raises(InputError, match=rf"click\[{len(wrong) - 1 - 4321}\]"):
        prepare_table(backwards, SPEC, SMALL)


def test_a_column_that_is_absent_is_named_before_anything_is_written(table, tmp_path):
    pq.write_table(table.drop_columns(["ad_interest"]), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"0\.parquet: ad_interest"):
        prepare_parts(Parts(tmp_path), SPEC, SMALL, tmp_path / "rows")
    assert not (tmp_path / "rows").exists()
