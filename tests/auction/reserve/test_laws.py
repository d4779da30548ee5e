"""Laws whose monopoly price is known, curves that need ironing, and samples that are refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import lognorm

from auction.errors import InputError
from auction.reserve import AuctionSample, EmpiricalLaw, LogNormalLaw, RevenueCurve, ValueLaw

small = st.lists(st.integers(0, 30), min_size=1, max_size=25)


def test_uniform_values_are_sold_at_a_half() -> None:
    law = EmpiricalLaw.of((np.arange(10_000) + 0.5) / 10_000)
    assert law.monopoly_price() == pytest.approx(0.5, abs=2e-4)
    # Virtual value 2 v - 1.
    assert law.virtual_value(np.array([0.25, 0.5, 0.9])) == pytest.approx([-0.5, 0.0, 0.8], abs=1e-3)


def test_exponential_values_are_sold_at_their_mean() -> None:
    rate = (np.arange(100_000) + 0.5) / 100_000
    assert EmpiricalLaw.of(-np.log(rate) / 4.0).monopoly_price() == pytest.approx(1 / 4.0, rel=0.01)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 2.0, 4.0])
def test_log_normal_price_is_the_root_of_the_virtual_value(sigma: float) -> None:
    law, other = LogNormalLaw(mu=3.0, sigma=sigma), lognorm(s=sigma, scale=math.exp(3.0))
    root = brentq(lambda p: other.sf(p) - p * other.pdf(p), math.exp(3 - 10 * sigma), math.exp(3 + 6 * sigma))
    assert law.monopoly_price() == pytest.approx(root, rel=1e-9)
    price = np.exp(3.0 + sigma * np.linspace(-3, 3, 13))
    assert law.survival(price) == pytest.approx(other.sf(price), rel=1e-9)
    expected = price - other.sf(price) / other.pdf(price)
    assert law.virtual_value(price) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert law.virtual_value(np.array([root])) == pytest.approx(0.0, abs=1e-6 * root)


@pytest.mark.parametrize("law", [EmpiricalLaw.of([1, 1, 4, 9, 9, 30]), LogNormalLaw(1.0, 0.8)])
def test_no_price_earns_more_than_a_law_s_own(law: ValueLaw) -> None:
    price = np.linspace(0.01, 40, 4_000)
    best = law.monopoly_price()
    assert (price * law.survival(price)).max() <= best * law.survival(np.array([best]))[0] * (1 + 1e-12)
    assert (np.diff(law.survival(price)) <= 0).all()


@given(small)
def test_the_best_of_a_sample_is_the_best_of_all_whole_prices(values: list[int]) -> None:
    law = EmpiricalLaw.of(values)
    earned = [price * sum(value >= price for value in values) for price in range(32)]
    best = law.monopoly_price()
    assert best * sum(value >= best for value in values) == max(earned)
    assert best == min(price for price in values if earned[price] == max(earned))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=20))
def test_second_price_revenue_is_the_sum_over_auctions(pairs: list[tuple[int, int]]) -> None:
    first, second = [max(pair) for pair in pairs], [min(pair) for pair in pairs]
    sample = AuctionSample.of(first, second)
    curve = sample.curve()

    def earned(reserve: float) -> float:
        return sum(max(b, reserve) for a, b in zip(first, second, strict=True) if a >= reserve) / len(pairs)

    assert curve.revenue == pytest.approx([earned(price) for price in curve.price])
    assert curve.sale_rate == pytest.approx([np.mean(np.array(first) >= price) for price in curve.price])
    assert curve.revenue.max() == pytest.approx(max(earned(price) for price in range(22)))


@given(small)
def test_ironing_lifts_a_curve_to_the_least_concave_one(values: list[int]) -> None:
    curve = EmpiricalLaw.of(values).curve()
    ironed, slope = curve.ironed(), curve.virtual_value()
    assert (ironed >= curve.revenue).all()
    assert (np.diff(slope) <= 1e-9).all()
    assert ironed.max() == curve.revenue.max()
    # Least: every corner of the hull is a point of the curve.
    rate, revenue = curve.hull()
    points = {(0.0, 0.0), *zip(curve.sale_rate.tolist(), curve.revenue.tolist(), strict=True)}
    assert set(zip(rate.tolist(), revenue.tolist(), strict=True)) <= points


def test_an_irregular_law_is_ironed_over_its_dip_and_keeps_its_price() -> None:
    """A tenth at 10, the rest at 1: R is 1 at q = .1 and at q = 1. Two halves at 2 and 1: R is 1 at both."""
    curve = EmpiricalLaw.of([10] + [2] * 2 + [1] * 7).curve()
    # (.1, 1), (.3, .6), (1, 1): the hull goes straight from the first to the last.
    assert curve.ironed() == pytest.approx([1.0, 1.0, 1.0])
    assert curve.virtual_value() == pytest.approx([10.0, 0.0, 0.0])
    # Of the two equal prices, the one that sells more.
    assert curve.price[curve.best] == 1
    regular = RevenueCurve(np.array([0.5, 1.0]), np.array([2.0, 1.5]), np.array([1.0, 1.5]))
    assert regular.ironed().tolist() == [1.0, 1.5]


def test_ties_one_value_and_zeros() -> None:
    assert EmpiricalLaw.of([1, 2]).monopoly_price() == 1
    assert EmpiricalLaw.of([7]).monopoly_price() == 7
    assert EmpiricalLaw.of([5, 5, 5]).monopoly_price() == 5
    assert EmpiricalLaw.of([0, 0]).monopoly_price() == 0
    assert EmpiricalLaw.of([0, 0, 0, 3]).monopoly_price() == 3
    assert EmpiricalLaw.of([3, 1], [1, 5]).monopoly_price() == 1
    assert EmpiricalLaw.of([3, 1], [1, 1]).monopoly_price() == 3


def test_a_fit_finds_the_law_it_was_drawn_from_whole_censored_or_truncated() -> None:
    values = np.exp(2.0 + 0.7 * np.random.default_rng(3).standard_normal(40_000))
    floor = 6.0
    seen = values[values >= floor]
    hidden = len(values) - len(seen)
    assert hidden > 10_000
    for law in (
        LogNormalLaw.fit(values),
        LogNormalLaw.fit(seen, floor=floor, unseen=hidden),
        LogNormalLaw.fit(seen, floor=floor),
    ):
        assert law.covariance is not None
        assert abs(law.mu - 2.0) < 4 * math.sqrt(law.covariance[0][0])
        assert abs(law.sigma - 0.7) < 4 * math.sqrt(law.covariance[1][1])
    naive = LogNormalLaw.fit(seen)
    assert naive.sigma < 0.6
    # What is not known costs: the truncated fit is the least sure.
    whole, truncated = LogNormalLaw.fit(values), LogNormalLaw.fit(seen, floor=floor)
    assert truncated.covariance[0][0] > 5 * whole.covariance[0][0]  # type: ignore[index]


def test_the_fitted_covariance_is_that_of_theory_without_a_floor_that_binds() -> None:
    values = np.exp(np.random.default_rng(0).standard_normal(500))
    plain = np.array(LogNormalLaw.fit(values).covariance)
    censored = np.array(LogNormalLaw.fit(values, floor=1e-9, unseen=0).covariance)
    assert censored == pytest.approx(plain, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize(
    "bad", [[], [1.0, float("nan")], [-1], [float("inf")], [[1, 2]], ["a"], [True], [2.0**60]]
)
def test_values_that_are_no_values_are_refused(bad: list) -> None:
    with pytest.raises(InputError, match="values"):
        EmpiricalLaw.of(bad)


def test_other_refusals_name_what_is_wrong() -> None:
    with pytest.raises(InputError, match=r"second\[1\]"):
        AuctionSample.of([3, 2], [1, 4])
    with pytest.raises(InputError, match="second"):
        AuctionSample.of([3, 2], [1])
    with pytest.raises(InputError, match="two different"):
        LogNormalLaw.fit([4.0, 4.0])
    with pytest.raises(InputError, match=r"values\[1\]"):
        LogNormalLaw.fit([4.0, 0.0])
    with pytest.raises(InputError, match=r"values\[0\]"):
        LogNormalLaw.fit([4.0, 6.0], floor=5.0)
    with pytest.raises(InputError, match="unseen"):
        LogNormalLaw.fit([4.0, 6.0], unseen=3)
    with pytest.raises(InputError, match="no log-normal law"):
        # A Pareto tail: log excesses are exponential, which the widest log-normal only approaches.
        LogNormalLaw.fit(np.exp(3 * np.random.default_rng(1).standard_exponential(300)), floor=1.0)
    with pytest.raises(InputError, match="sigma"):
        LogNormalLaw(0.0, 0.0)
    with pytest.raises(InputError, match="weights"):
        EmpiricalLaw.of([1, 2], [0, 0])
    with pytest.raises(InputError, match="price"):
        EmpiricalLaw.of_quantiles([0.1, 0.2], [1, 2])
