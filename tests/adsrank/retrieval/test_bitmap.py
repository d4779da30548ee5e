import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adsrank.retrieval.bitmap import as_bytes, count, pack, rows_of, union, unpack, without

MASKS = st.lists(st.booleans(), max_size=200).map(lambda values: np.asarray(values, np.bool_))


@given(MASKS)
def test_a_mask_comes_back(mask: np.ndarray) -> None:
    bits = pack(mask)
    assert bits.dtype == np.uint64
    assert len(bits) == -(-len(mask) // 64)
    assert np.array_equal(unpack(bits, len(mask)), mask)
    assert rows_of(bits, len(mask)).tolist() == np.flatnonzero(mask).tolist()
    assert count(bits) == mask.sum()


@given(MASKS, st.data())
def test_rows_are_taken_out_of_a_copy(mask: np.ndarray, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(mask) - 1), max_size=20)) if len(mask) else []
    bits = pack(mask)
    before = bits.copy()
    expected = mask.copy()
    expected[rows] = False
    assert np.array_equal(unpack(without(bits, np.asarray(rows, np.int64)), len(mask)), expected)
    assert np.array_equal(bits, before)


@given(st.integers(0, 150), st.integers(0, 9))
def test_a_union_holds_the_rows_of_each(size: int, seed: int) -> None:
    masks = np.random.default_rng(seed).random((3, size)) < 0.3
    parts = [pack(mask) for mask in masks]
    assert np.array_equal(unpack(union(parts), size), masks.any(axis=0))


def test_bytes_hold_row_r_at_bit_r_modulo_8() -> None:
    mask = np.zeros(70, np.bool_)
    mask[[0, 9, 69]] = True
    data = as_bytes(pack(mask))
    assert (data[0], data[1], data[8]) == (1, 2, 32)
