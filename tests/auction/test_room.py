"""Memory for results is taken again only when nothing can see it any more."""

import threading

import numpy as np

from auction.auction import hold_auctions
from auction.batch import OutcomeBatch
from auction.policy import AuctionPolicy, Exposure, FeedRules
from auction.room import LARGE, Room
from auction.simulation.sample import sample_slates

COLUMNS = ((LARGE, np.int64), (3, np.int8), (LARGE, np.float64))


def address(column: np.ndarray) -> int:
    return int(column.__array_interface__["data"][0])


def test_columns_have_their_sizes_and_types_and_never_overlap() -> None:
    columns = Room().columns(COLUMNS)
    for n, (column, (size, kind)) in enumerate(zip(columns, COLUMNS, strict=True)):
        assert column.shape == (size,)
        assert column.dtype == kind
        column[:] = n
    assert [int(column.max()) for column in columns] == [0, 1, 2]
    assert [int(column.min()) for column in columns] == [0, 1, 2]


def test_memory_is_taken_again_once_no_view_is_left() -> None:
    room = Room()
    first = room.columns(COLUMNS)
    at = address(first[0])
    part = first[0][5:9][1:]
    del first
    second = room.columns(COLUMNS)
    assert address(second[0]) != at, "a view of a view was still there"
    part[:] = 7
    again = address(second[0])
    del second
    assert address(room.columns(COLUMNS)[0]) == again
    assert part.tolist() == [7, 7, 7]


def test_small_results_and_other_threads_have_memory_of_their_own() -> None:
    room = Room()
    kept = room.columns(COLUMNS)
    at = address(kept[0])
    del kept
    other: list[int] = []
    thread = threading.Thread(target=lambda: other.append(address(room.columns(COLUMNS)[0])))
    thread.start()
    thread.join()
    assert other[0] != at
    assert room.columns([(4, np.int64)])[0].base is None


def test_outcomes_that_are_kept_are_not_written_over() -> None:
    rules = FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True)
    policy = AuctionPolicy(rules=rules, exposure=Exposure(examination=[1.0, 0.6, 0.3]))
    one, two = (sample_slates(np.random.default_rng(seed), 400, 20, 0) for seed in (1, 2))
    kept = hold_auctions(one, policy)
    before = {name: getattr(kept, name).copy() for name in OutcomeBatch.__slots__}
    assert not np.array_equal(hold_auctions(two, policy).price_micros, kept.price_micros)
    # Memory that is taken again holds the last outcome, of which nothing may be left.
    again = hold_auctions(one, policy)
    for name in OutcomeBatch.__slots__:
        np.testing.assert_array_equal(getattr(kept, name), before[name], err_msg=name)
        np.testing.assert_array_equal(getattr(again, name), before[name], err_msg=name)
