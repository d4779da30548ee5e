"""Bid prices against the linear programme, and against every mixture of all levels on small samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from auction.blend.contracts import Contracts
from auction.blend.exchange import ExchangeCurve
from auction.blend.guaranteed import NOBODY, dual_prices
from auction.blend.optimum import optimum
from auction.errors import InputError


def market(
    seed: int, impressions: int, contracts: int, share: float
) -> tuple[ExchangeCurve, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    price = np.sort(generator.gamma(2, 50, 12))[::-1]
    sold = np.sort(generator.random(12))
    curve = ExchangeCurve.of(sold, price, price * sold)
    wanted = generator.random((impressions, contracts)) < 0.5
    quality = np.where(wanted, np.exp(generator.normal(4, 0.7, wanted.shape)), 0.0)
    promised = generator.dirichlet(np.ones(contracts)) * share
    return curve, quality, promised


def by_all_levels(sold: np.ndarray, revenue: np.ndarray, contracts: Contracts, quality: np.ndarray) -> float:
    """The problem as it is stated: a mixture over every level, dominated or not, written densely."""
    n, a = quality.shape
    k = len(sold)
    gain = np.concatenate(
        [
            np.tile(revenue, n) / n,
            (np.where(quality > 0, contracts.weight * quality, -1e9) / n).ravel(),
            np.full(a, -contracts.shortfall_cost),
        ]
    )
    room, mix, due = np.zeros((n, len(gain))), np.zeros((n, len(gain))), np.zeros((a, len(gain)))
    for i in range(n):
        mix[i, i * k : (i + 1) * k] = 1
        room[i, i * k : (i + 1) * k] = sold
        room[i, n * k + i * a : n * k + (i + 1) * a] = 1
    for j in range(a):
        due[j, n * k + j : n * k + n * a : a] = 1 / n
        due[j, n * k + n * a + j] = 1
    equal = np.concatenate([mix, due])
    found = linprog(
        -gain, room, np.ones(n), equal, np.concatenate([np.ones(n), contracts.share]), method="highs"
    )
    assert found.success
    return -float(found.fun)


@pytest.mark.parametrize("cost", [0.0, 40.0, 500.0])
def test_the_programme_over_hull_edges_is_the_one_over_all_levels(cost: float) -> None:
    curve, quality, share = market(3, 40, 3, 0.6)
    contracts = Contracts(share, 1.5, cost)
    full = by_all_levels(curve.sold, curve.revenue, contracts, quality)
    assert optimum(curve, contracts, quality).total == pytest.approx(full, rel=1e-7)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0.05, 0.9), st.booleans())
def test_any_prices_bound_the_optimum_and_the_policy_stays_under_it(
    seed: int, contracts: int, share: float, in_full: bool
) -> None:
    curve, quality, promised = market(seed, 80, contracts, share)
    terms = Contracts.in_full(promised, curve) if in_full else Contracts(promised)
    best = optimum(curve, terms, quality).total
    policy = dual_prices(curve, terms, quality)
    assert policy.expected(quality).total <= best + 1e-6 * abs(best)
    assert policy.bound(quality) >= best - 1e-6 * abs(best)


@pytest.mark.parametrize("seed", range(4))
def test_dual_prices_reach_the_optimum_and_keep_the_promises(seed: int) -> None:
    curve, quality, share = market(seed, 3_000, 4, 0.5)
    contracts = Contracts.in_full(share, curve)
    policy = dual_prices(curve, contracts, quality)
    reached = policy.expected(quality)
    assert reached.total >= 0.995 * optimum(curve, contracts, quality).total
    assert np.all(reached.delivered >= share - 2e-3)
    assert np.all(reached.delivered <= share + 2e-3)


def test_a_contract_that_wants_too_much_gets_all_it_can() -> None:
    curve, quality, _ = market(1, 2_000, 2, 0.5)
    eligible = (quality > 0).mean(axis=0)
    contracts = Contracts.in_full(np.array([0.0, 0.9]), curve)
    reached = dual_prices(curve, contracts, quality).expected(quality)
    assert reached.delivered[1] == pytest.approx(eligible[1], abs=2e-3)
    assert reached.delivered[0] <= 1e-2


def test_no_contract_leaves_the_exchange_its_best_reserve() -> None:
    curve, _, _ = market(2, 10, 1, 0.1)
    policy = dual_prices(curve, Contracts(np.zeros(0)), np.zeros((10, 0)))
    level, contract = policy.decide(np.zeros((10, 0)))
    assert np.all(contract == NOBODY)
    assert policy.expected(np.zeros((10, 0))).total == pytest.approx(curve.revenue[level[0]])
    assert curve.revenue[level[0]] == curve.revenue.max()
    assert policy.serve(np.zeros((10, 0)), np.random.default_rng(0)).total == pytest.approx(
        curve.revenue.max()
    )


def test_serving_in_order_never_passes_a_share_and_repeats_with_its_seed() -> None:
    curve, quality, share = market(5, 4_000, 3, 0.4)
    contracts = Contracts.in_full(share, curve)
    policy = dual_prices(curve, contracts, quality[:2_000])
    held = quality[2_000:]
    once = policy.serve(held, np.random.default_rng(7), step=1.0)
    again = policy.serve(held, np.random.default_rng(7), step=1.0)
    assert (again.total, again.delivered.tolist()) == (once.total, once.delivered.tolist())
    assert np.all(once.delivered <= np.rint(share * 2_000) / 2_000 + 1e-12)
    assert np.all(once.delivered >= share - 0.01)
    assert once.total >= 0.97 * optimum(curve, contracts, held).total


def test_a_higher_weight_of_quality_costs_the_exchange_revenue() -> None:
    curve, quality, share = market(8, 2_000, 3, 0.4)
    revenue = [
        dual_prices(curve, Contracts.in_full(share, curve, weight), quality).expected(quality).revenue
        for weight in (0.0, 1.0, 4.0)
    ]
    assert revenue[0] >= revenue[1] >= revenue[2]


def test_refusals_name_the_field() -> None:
    with pytest.raises(InputError, match="share"):
        Contracts(np.array([-0.1]))
    with pytest.raises(InputError, match="shortfall_cost"):
        Contracts(np.array([0.1]), shortfall_cost=float("inf"))
    with pytest.raises(InputError, match="quality"):
        Contracts(np.array([0.1])).worth(np.zeros((3, 2)))
