import numpy as np
import pytest

from adsrank.training.order import EpochOrder, side_by_side


def rows_of(order: EpochOrder) -> np.ndarray:
    found = []
    for window in order.windows():
        rows = np.concatenate([np.arange(*block) for block in window.blocks])
        assert len(rows) <= order.window
        found.append(rows[window.order])
    return np.concatenate(found)


@pytest.mark.parametrize("rows", [1, 999, 1000, 1001, 5000, 16_003])
def test_an_epoch_meets_each_row_once(rows):
    order = EpochOrder(rows, 1000, 64, 3, 0)
    found = rows_of(order)
    assert np.array_equal(np.sort(found), np.arange(rows))
    assert order.batches() == sum(-(-len(window.order) // 64) for window in order.windows())


def test_epochs_differ_and_a_seed_repeats_them():
    def first(seed: int, epoch: int) -> list[int]:
        return rows_of(EpochOrder(3000, 1000, 64, seed, epoch)).tolist()

    assert first(1, 0) == first(1, 0)
    assert first(1, 0) != first(1, 1)
    assert first(1, 0) != first(2, 0)


def test_a_window_mixes_rows_of_many_times():
    window = next(EpochOrder(100_000, 1600, 64, 0, 0).windows())
    starts = [start for start, _ in window.blocks]
    assert len(starts) == 16
    assert max(starts) - min(starts) > 50_000


def test_rows_of_a_request_stay_together_and_requests_are_shuffled():
    rng = np.random.default_rng(0)
    moment = np.sort(rng.integers(0, 400, 1000))
    shuffled = rng.permutation(1000)
    found = side_by_side(shuffled, moment)
    assert np.array_equal(np.sort(found), np.arange(1000))
    runs = moment[found][np.flatnonzero(np.diff(moment[found], prepend=-1))]
    assert len(runs) == len(np.unique(moment))
    # In the order in which the shuffle first meets them.
    _, first = np.unique(moment[shuffled], return_index=True)
    assert np.array_equal(runs, moment[shuffled][np.sort(first)])
    alone = side_by_side(shuffled, np.arange(1000))
    assert np.array_equal(alone, shuffled)
