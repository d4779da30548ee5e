import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.training.store import Store, StoreWriter


def written(folder, rows=(3, 0, 4)):
    rng = np.random.default_rng(0)
    parts = [
        {"ids": rng.integers(0, 9, (n, 2)).astype(np.int32), "flag": rng.random(n), "none": np.zeros((n, 0))}
        for n in rows
    ]
    writer = StoreWriter(folder)
    for part in parts:
        writer.append(part)
    return writer, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_any_range_of_rows_is_what_was_written(tmp_path):
    writer, whole = written(tmp_path)
    store = writer.close({"made": "here"})
    assert store.rows == 7
    assert store.about == {"made": "here"}
    for name, values in whole.items():
        for start, stop in ((0, 7), (2, 5), (6, 7), (4, 4)):
            found = store.read(name, start, stop)
            assert found.dtype == values.dtype
            assert np.array_equal(found, values[start:stop])
    assert np.array_equal(store.view("flag"), whole["flag"])


def test_a_store_that_was_not_finished_is_none(tmp_path):
    writer, _ = written(tmp_path)
    with pytest.raises(InputError, match=str(tmp_path)):
        Store(tmp_path)
    writer.close({})
    Store(tmp_path)
    StoreWriter(tmp_path)  # begun anew: what was there is no store any more
    with pytest.raises(InputError):
        Store(tmp_path)


def test_a_file_of_another_length_is_refused(tmp_path):
    written(tmp_path)[0].close({})
    with open(tmp_path / "flag.bin", "ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"flag\.bin"):
        Store(tmp_path)


def test_columns_must_agree(tmp_path):
    writer = StoreWriter(tmp_path)
    with pytest.raises(ValueError, match="agree"):
        writer.append({"a": np.zeros(3), "b": np.zeros(2)})
    writer.append({"a": np.zeros(3)})
    with pytest.raises(ValueError, match="agree"):
        writer.append({"a": np.zeros(3, np.float32)})
