"""The exchange's curve: its hull, and the reserve that is best at an opportunity cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auction.blend.exchange import ExchangeCurve
from auction.errors import InputError
from auction.hull import upper_hull

points = arrays(
    np.float64, st.tuples(st.just(2), st.integers(1, 30)), elements=st.integers(0, 40).map(lambda n: n / 8)
)


@given(points)
def test_the_hull_is_concave_and_above_every_point(xy: np.ndarray) -> None:
    x, y = xy
    hull = upper_hull(x, y)
    assert np.all(np.diff(x[hull]) > 0)
    slopes = np.diff(y[hull]) / np.diff(x[hull])
    assert np.all(np.diff(slopes) < 0)
    assert np.all(np.interp(x, x[hull], y[hull]) >= y - 1e-9)
    assert {x[hull[0]], x[hull[-1]]} == {x.min(), x.max()}


@given(points, st.floats(0, 30))
def test_the_level_is_the_best_of_all_points(xy: np.ndarray, cost: float) -> None:
    sold, revenue = xy[0] / 5, xy[1]
    if not sold.any():
        return
    curve = ExchangeCurve.of(sold, np.ones(len(sold)), revenue)
    offered = sold > 0
    by_hand = max(cost, (revenue + (1 - sold) * cost)[offered].max())
    assert curve.value(np.array([cost]))[0] == pytest.approx(by_hand)


def test_a_dearer_impression_is_asked_a_higher_reserve() -> None:
    price = np.linspace(10, 1, 10)
    sold = 1 - price / 11
    curve = ExchangeCurve.of(sold, price, price * sold)
    reserve = curve.reserve[curve.level(np.linspace(0, 12, 50))]
    assert np.all(np.diff(reserve[np.isfinite(reserve)]) >= 0)
    assert np.isinf(reserve[-1])


@pytest.mark.parametrize(
    ("sold", "revenue"), [([0.0], [1.0]), ([1.5], [1.0]), ([0.5], [-1.0]), ([float("nan")], [1.0]), ([], [])]
)
def test_a_curve_without_sense_is_refused(sold: list[float], revenue: list[float]) -> None:
    with pytest.raises(InputError):
        ExchangeCurve.of(np.array(sold), np.ones(len(sold)), np.array(revenue))
