import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adsrank.retrieval.merge import merge
from adsrank.retrieval.source import quotas

LISTS = st.lists(st.lists(st.integers(0, 40), unique=True, max_size=15), max_size=5)


def plain(lists: list[list[int]], shares: list[float], budget: int) -> list[tuple[int, int]]:
    """By the definition: every row has its turn at rank / share; distinct rows in order of turns."""
    turns = sorted(
        (
            (rank / shares[number], number, row)
            for number, rows in enumerate(lists)
            for rank, row in enumerate(rows, 1)
        ),
        key=lambda turn: turn[:2],
    )
    chosen: dict[int, int] = {}
    for _, number, row in turns:
        if row not in chosen and len(chosen) < budget:
            chosen[row] = number
    return list(chosen.items())


@settings(max_examples=300, deadline=None)
@given(lists=LISTS, seed=st.integers(0, 99), budget=st.integers(0, 30))
def test_it_takes_turns_as_defined(lists: list[list[int]], seed: int, budget: int) -> None:
    shares = np.random.default_rng(seed).uniform(0.05, 1, len(lists)).tolist()
    rows, origin = merge([np.asarray(rows, np.int64) for rows in lists], shares, budget, 41)
    assert list(zip(rows.tolist(), origin.tolist(), strict=True)) == plain(lists, shares, budget)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0, 1), st.integers(1, 200))
def test_while_lists_last_each_gives_its_share(weights: list[float], floor: float, budget: int) -> None:
    shares = quotas(np.asarray(weights), floor)
    assert np.isclose(shares.sum(), 1)
    assert (shares >= floor / len(weights) - 1e-12).all()
    lists = [np.arange(budget) * len(weights) + number for number in range(len(weights))]
    rows, origin = merge(lists, shares.tolist(), budget, budget * len(weights))
    assert len(rows) == budget
    counts = np.bincount(origin, minlength=len(weights))
    assert (counts >= np.floor(shares * budget - 1e-6)).all()


def test_a_row_found_twice_is_taken_once_and_leaves_room() -> None:
    rows, origin = merge([np.asarray([5, 6, 7]), np.asarray([5, 8, 9])], [0.5, 0.5], 5, 10)
    assert rows.tolist() == [5, 6, 8, 7, 9]
    assert origin.tolist() == [0, 0, 1, 0, 1]


def test_nothing_merges_to_nothing() -> None:
    assert merge([], [], 10, 100)[0].tolist() == []
    assert merge([np.zeros(0, np.int64)], [1.0], 10, 0)[0].tolist() == []
