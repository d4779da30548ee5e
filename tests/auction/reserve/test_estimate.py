"""Estimates come to the truth as samples grow, and their intervals hold it as often as they say."""

import math

import numpy as np
import pytest

from auction.errors import InputError
from auction.reserve import EmpiricalLaw, LogNormalLaw, estimate_reserve

MICROS = 1_000_000
TRUTH = LogNormalLaw(mu=math.log(MICROS), sigma=1.0).monopoly_price()


def log_normal(generator: np.random.Generator, n: int) -> np.ndarray:
    return np.round(MICROS * np.exp(generator.standard_normal(n))).astype(np.int64)


def test_a_larger_sample_is_nearer_to_the_truth() -> None:
    error = {}
    for n in (300, 30_000):
        found = [
            EmpiricalLaw.of(log_normal(np.random.default_rng(seed), n)).monopoly_price() for seed in range(20)
        ]
        error[n] = np.sqrt(np.mean(np.log(np.array(found) / TRUTH) ** 2))
    # The cube root of 100 is 4.6.
    assert error[30_000] < error[300] / 2.5
    assert error[30_000] < 0.1


def test_all_equal_one_and_zero() -> None:
    equal = estimate_reserve([5 * MICROS] * 40)
    assert (equal.reserve_micros, equal.low_micros, equal.high_micros) == (5 * MICROS,) * 3
    assert (equal.sale_rate, equal.revenue_micros) == (1.0, 5.0 * MICROS)
    one = estimate_reserve([7])
    assert (one.reserve_micros, one.low_micros, one.high_micros, one.n) == (7, None, None, 1)
    nothing = estimate_reserve([0] * 50)
    assert (nothing.reserve_micros, nothing.revenue_micros, nothing.sale_rate) == (0, 0.0, 1.0)


def test_with_several_bidders_the_best_is_one_bidder_s_price_not_that_of_the_highest_bid() -> None:
    """Uniform values, three bidders: the reserve is .5 as for one; a posted price would be .63 = 4^(-1/3)."""
    value = np.sort(np.random.default_rng(5).random((60_000, 3)), axis=1)
    auction = estimate_reserve(value[:, 2] * MICROS, value[:, 1] * MICROS)
    posted = estimate_reserve(value[:, 2] * MICROS)
    assert auction.reserve_micros == pytest.approx(0.5 * MICROS, rel=0.06)
    assert posted.reserve_micros == pytest.approx(4 ** (-1 / 3) * MICROS, rel=0.05)
    # E[second] = 1/2; with reserve 1/2 it is 17/32.
    assert auction.unreserved_micros == pytest.approx(0.5 * MICROS, rel=0.01)
    assert auction.revenue_micros == pytest.approx(17 / 32 * MICROS, rel=0.01)


def test_bids_of_one_advertiser_are_not_independent() -> None:
    """Each value of 100 advertisers seen 50 times says no more than once."""
    own = log_normal(np.random.default_rng(2), 100)
    values, advertiser = np.repeat(own, 50), np.repeat(np.arange(100), 50)
    blind = estimate_reserve(values)
    aware = estimate_reserve(values, cluster=advertiser)
    once = estimate_reserve(own)
    assert blind.reserve_micros == aware.reserve_micros == once.reserve_micros

    def width(estimate: object) -> float:
        return math.log(estimate.high_micros / estimate.low_micros)  # type: ignore[attr-defined]

    assert width(aware) == pytest.approx(width(once), rel=0.35)
    assert width(blind) < 0.6 * width(aware)


def test_a_floor_hides_what_lies_below_it() -> None:
    values = log_normal(np.random.default_rng(0), 5_000)
    floor = 2 * MICROS
    seen = values[values >= floor]
    blind = estimate_reserve(seen, floor_micros=floor)
    assert blind.at_floor
    assert floor <= blind.reserve_micros < 1.2 * floor
    law = estimate_reserve(seen, shape="log_normal", floor_micros=floor, unseen=len(values) - len(seen))
    assert law.low_micros is not None
    assert law.low_micros < TRUTH < (law.high_micros or 0) < floor
    assert not estimate_reserve(values, floor_micros=1).at_floor


def test_equal_seeds_give_equal_intervals() -> None:
    values = log_normal(np.random.default_rng(0), 400)
    assert estimate_reserve(values, seed=3) == estimate_reserve(values, seed=3)
    assert estimate_reserve(values, seed=3) != estimate_reserve(values, seed=4)


def test_what_is_refused() -> None:
    for call, match in (
        (lambda: estimate_reserve([]), "first"),
        (lambda: estimate_reserve([1, float("nan")]), r"first\[1\]"),
        (lambda: estimate_reserve([1, -2]), r"first\[1\]"),
        (lambda: estimate_reserve([5, 1], floor_micros=2), r"first\[1\]"),
        (lambda: estimate_reserve([5, 1], floor_micros=-2), "floor_micros"),
        (lambda: estimate_reserve([5, 1], shape="normal"), "shape"),
        (lambda: estimate_reserve([5, 1], [1, 1], shape="log_normal"), "second"),
        (lambda: estimate_reserve([5, 1], cluster=[1]), "cluster"),
    ):
        with pytest.raises(InputError, match=match):
            call()


@pytest.mark.parametrize(("shape", "trials"), [("empirical", 150), ("log_normal", 200)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(shape: str, trials: int) -> None:
    held = 0
    for seed in range(trials):
        found = estimate_reserve(log_normal(np.random.default_rng([seed, 9]), 600), shape=shape, seed=seed)
        assert found.low_micros is not None
        assert found.high_micros is not None
        held += found.low_micros <= TRUTH <= found.high_micros
    assert 0.88 <= held / trials <= 0.99


def test_intervals_of_a_second_price_auction_hold_the_truth() -> None:
    held = 0
    for seed in range(80):
        value = np.sort(np.random.default_rng([seed, 8]).random((400, 3)), axis=1) * MICROS
        found = estimate_reserve(value[:, 2], value[:, 1], seed=seed)
        held += (found.low_micros or 0) <= MICROS / 2 <= (found.high_micros or 0)
    assert held >= 71


def test_intervals_of_a_censored_fit_hold_the_truth() -> None:
    held = 0
    for seed in range(100):
        values = log_normal(np.random.default_rng([seed, 4]), 600)
        seen = values[values >= MICROS]
        found = estimate_reserve(
            seen, shape="log_normal", floor_micros=MICROS, unseen=len(values) - len(seen)
        )
        held += (found.low_micros or 0) <= TRUTH <= (found.high_micros or 0)
    assert held >= 88
