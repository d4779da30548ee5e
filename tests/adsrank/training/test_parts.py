import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsrank.errors import InputError
from adsrank.training import parts as parts_module
from adsrank.training.parts import Parts


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "a": np.arange(1000),
            "b": [f"w{number % 7}" if number % 5 else None for number in range(1000)],
            "c": [rng.integers(0, 9, number % 4).tolist() for number in range(1000)],
        }
    )


@pytest.fixture
def folder(table, tmp_path):
    """Parts of uneven length, one of them empty, with row groups that divide nothing evenly."""
    at = 0
    for number, rows in enumerate((137, 1, 0, 500, 362)):
        pq.write_table(table.slice(at, rows), tmp_path / f"part-{number}.parquet", row_group_size=61)
        at += rows
    return tmp_path


def test_rows_are_those_of_one_table(table, folder):
    parts = Parts(folder)
    assert len(parts) == len(table)
    assert parts.read(["a", "b", "c"]).equals(table)
    assert parts.read(["c", "a"]).column_names == ["c", "a"]


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1000), (0, 100), (137, 138), (250, 901), (999, 1000), (5, 5)]
)
def test_chunks_are_cut_by_row_number_and_not_by_file(monkeypatch, table, folder, start, stop):
    monkeypatch.setattr(parts_module, "CHUNK", 100)
    chunks = list(Parts(folder).chunks(["a", "b"], start, stop))
    assert [len(chunk) for chunk in chunks] == [min(100, stop - at) for at in range(start, stop, 100)]
    if chunks:
        assert pa.concat_tables(chunks).equals(table.select(["a", "b"]).slice(start, stop - start))


def test_row_groups_out_of_range_are_not_read(table, folder):
    whole = (folder / "part-3.parquet").read_bytes()
    broken = bytearray(whole)
    broken[4:200] = bytes(196)  # the first row group of that part
    (folder / "part-3.parquet").write_bytes(bytes(broken))
    late = pa.concat_tables(Parts(folder).chunks(["a"], 700, 1000))
    assert late["a"].to_pylist() == list(range(700, 1000))
    with pytest.raises(InputError, match=r"part-3\.parquet"):
        list(Parts(folder).chunks(["a"]))


def test_what_is_wrong_is_named_with_its_file(table, folder, tmp_path_factory):
    with pytest.raises(InputError, match=r"part-0\.parquet: d"):
        Parts(folder).require(["a", "d"])
    odd = table.slice(0, 10).set_column(0, "a", pa.array([f"{n}" for n in range(10)]))
    pq.write_table(odd, folder / "part-9.parquet")
    with pytest.raises(InputError, match=r"part-9\.parquet: a"):
        Parts(folder).read(["a"])
    (folder / "part-9.parquet").write_bytes((folder / "part-0.parquet").read_bytes()[:300])
    with pytest.raises(InputError, match=r"part-9\.parquet"):
        Parts(folder)
    with pytest.raises(InputError, match="0 parts"):
        Parts(tmp_path_factory.mktemp("empty"))


def test_a_column_that_stands_twice_and_a_table_without_rows_are_refused(table, tmp_path):
    pq.write_table(table.append_column("a", table["a"]), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"0\.parquet: a: 'stands twice'"):
        Parts(tmp_path)
    pq.write_table(table.slice(0, 0), tmp_path / "0.parquet")
    with pytest.raises(InputError, match="no rows"):
        Parts(tmp_path).read(["a"])
