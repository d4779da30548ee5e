"""The dual of a bound, on points whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auction.blend.bound import Bound
from auction.blend.dual import choose, frontier_of
from auction.errors import InputError

LOSS = np.array([0.00, 0.02, 0.04, 0.04, 0.10, 0.20])
REVENUE = np.array([0.0, 0.6, 1.0, 0.8, 1.3, 1.2])

many = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40)


def test_the_frontier_leaves_out_what_is_beaten_and_what_costs_without_earning() -> None:
    assert frontier_of(LOSS, REVENUE).tolist() == [0, 1, 2, 4]


def test_a_bound_between_two_points_gives_their_mixture_and_the_best_that_holds_it() -> None:
    found = choose(LOSS, REVENUE, Bound(max_organic_loss=0.055))
    assert (found.single, found.low, found.high) == (2, 2, 4)
    assert found.high_share == pytest.approx(0.25)
    assert found.organic_loss == pytest.approx(0.055)
    assert found.revenue == pytest.approx(1.075)
    assert found.multiplier == pytest.approx(0.3 / 0.06)


def test_the_reverse_problem_meets_the_revenue_at_the_least_loss() -> None:
    found = choose(LOSS, REVENUE, Bound(min_revenue=1.15))
    assert (found.single, found.low, found.high) == (4, 2, 4)
    assert found.revenue == pytest.approx(1.15)
    assert found.organic_loss == pytest.approx(0.07)


@given(many, st.floats(0, 1))
def test_both_problems_lie_on_one_curve(points: list[tuple[int, int]], cut: float) -> None:
    loss, revenue = (np.array(one, float) / 50 for one in zip(*points, strict=True))
    bound = float(loss.min() + cut * (loss.max() - loss.min()))
    found = choose(loss, revenue, Bound(max_organic_loss=min(bound, 1.0)))
    assert loss[found.single] <= bound
    assert found.organic_loss <= bound + 1e-12
    assert found.revenue >= revenue[found.single] - 1e-12
    # At the multiplier no point has a greater Lagrangian than the mixture.
    top = (revenue - found.multiplier * loss).max()
    assert found.revenue - found.multiplier * found.organic_loss == pytest.approx(top, abs=1e-9)
    back = choose(loss, revenue, Bound(min_revenue=found.revenue * (1 - 1e-12)))
    assert back.organic_loss == pytest.approx(found.organic_loss, abs=1e-9)


@pytest.mark.parametrize(
    ("bound", "says"), [(Bound(max_organic_loss=0.0), "is lost"), (Bound(min_revenue=9.0), "1.3 times")]
)
def test_a_bound_that_nothing_meets_says_what_could_be(bound: Bound, says: str) -> None:
    with pytest.raises(InputError, match=says):
        choose(LOSS[1:], REVENUE[1:], bound)


def test_a_bound_is_one_thing() -> None:
    for wrong in (
        {},
        {"max_organic_loss": 0.1, "min_revenue": 1.0},
        {"max_organic_loss": 1.1},
        {"min_revenue": -1},
    ):
        with pytest.raises(InputError):
            Bound(**wrong)
