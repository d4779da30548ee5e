"""Segments: none seen is the pool, many seen is their own, and the data say how fast."""

import numpy as np
import pytest

from auction.errors import InputError
from auction.reserve import EmpiricalLaw, estimate_reserve, estimate_segment_reserves

MICROS = 1_000_000


def market(
    generator: np.random.Generator, sizes: list[int], spread: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, segments and the segments' own scales: log-normal values about log-normal scales."""
    scale = np.exp(spread * generator.standard_normal(len(sizes)))
    segment = np.repeat(np.arange(len(sizes)), sizes)
    values = np.round(MICROS * scale[segment] * np.exp(0.6 * generator.standard_normal(len(segment))))
    return values.astype(np.int64), segment, scale


def test_a_segment_never_seen_gets_the_pool_and_the_pool_is_the_plain_estimate() -> None:
    values, segment, _ = market(np.random.default_rng(0), [200] * 6, 0.5)
    found = estimate_segment_reserves(values, segment)
    assert found[99] == found.pool
    assert found.pool.reserve_micros == estimate_reserve(values).reserve_micros
    assert found.pool.own_weight == 1
    assert found[3].segment == 3
    assert found.to_json()["rows"][0]["n"] == 200


def test_much_data_is_a_segment_s_own_and_a_strong_pool_is_the_pool_s() -> None:
    values, segment, _ = market(np.random.default_rng(1), [20_000, 300], 1.0)
    own = EmpiricalLaw.of(values[segment == 0]).monopoly_price()
    assert estimate_segment_reserves(values, segment, concentration=1e-6)[0].reserve_micros == own
    assert estimate_segment_reserves(values, segment, concentration=20.0)[0].reserve_micros == pytest.approx(
        own, rel=0.03
    )
    pooled = estimate_segment_reserves(values, segment, concentration=1e9)
    assert pooled[1].reserve_micros == pytest.approx(pooled.pool.reserve_micros, rel=0.01)


def test_a_value_alone_at_the_top_is_never_priced_at_itself() -> None:
    values, segment, _ = market(np.random.default_rng(2), [400] * 8 + [1, 2], 0.5)
    values[-3:] = 200 * MICROS, 200 * MICROS, MICROS // 2
    found = estimate_segment_reserves(values, segment)
    alone, two = found[8], found[9]
    assert (alone.n, alone.own_micros, alone.own_weight) == (1, 200 * MICROS, 0.0)
    assert alone.reserve_micros == found.pool.reserve_micros
    assert alone.low_micros < alone.high_micros
    assert two.own_micros == 200 * MICROS
    assert two.own_weight == pytest.approx(2 / (2 + found.concentration))
    assert MICROS // 2 <= two.reserve_micros <= found.pool.reserve_micros


def test_one_advertiser_alone_at_the_top_is_capped_by_the_next() -> None:
    values = np.array([50] * 6 + [3, 2])
    capped = estimate_segment_reserves(values, ["a"] * 8, cluster=[1] * 6 + [2, 3], concentration=1e-6)["a"]
    assert (capped.reserve_micros, capped.own_micros) == (3, 50)


def test_the_mixture_is_the_law_that_is_priced() -> None:
    """Own 10, 10; pool of four with weight k = 2: the law gives each pool value 1/2 beside two of 1."""
    values, segment = np.array([10, 10, 4, 1]), np.array(["a", "a", "b", "b"])
    found = estimate_segment_reserves(values, segment, concentration=2.0)
    mixed = EmpiricalLaw.of([10, 10, 10, 10, 4, 1], [1, 1, 0.5, 0.5, 0.5, 0.5])
    assert found["a"].reserve_micros == mixed.monopoly_price() == 10
    assert found["a"].sale_rate == pytest.approx(3 / 4)
    assert found["a"].own_weight == pytest.approx(0.5)


def test_the_concentration_is_small_where_segments_differ_and_large_where_they_do_not() -> None:
    generator = np.random.default_rng(3)
    apart = estimate_segment_reserves(*market(generator, [50] * 40, 1.0)[:2])
    alike = estimate_segment_reserves(*market(generator, [50] * 40, 0.0)[:2])
    assert apart.concentration < 5
    assert alike.concentration > 60
    assert estimate_segment_reserves([1, 2, 3], ["a", "b", "c"]).concentration == 30.0
    assert estimate_segment_reserves([4, 4, 4, 4], [1, 1, 2, 2]).concentration == 30.0


def test_a_process_of_known_concentration_is_recovered() -> None:
    """Segments drawn from the prior itself (a Polya urn with k = 8 over 0, ..., 999)."""
    generator, k = np.random.default_rng(4), 8.0
    values, segment = [], []
    for name in range(150):
        own: list[int] = []
        for n in range(30):
            fresh = generator.random() < k / (k + n)
            own.append(int(generator.integers(1000)) if fresh else own[int(generator.integers(n))])
        values += own
        segment += [name] * 30
    found = estimate_segment_reserves(values, segment)
    assert found.concentration == pytest.approx(k, rel=0.25)


def test_bids_of_one_advertiser_count_as_fewer() -> None:
    generator = np.random.default_rng(5)
    own, _, _ = market(generator, [20] * 10, 0.0)
    values, segment = np.repeat(own, 30), np.repeat(np.arange(10), 600)
    advertiser = np.repeat(np.arange(200), 30)
    found = estimate_segment_reserves(values, segment, cluster=advertiser)
    assert found[0].n == 600
    assert found[0].counted == pytest.approx(20, rel=0.05)
    # Bids that are independent although an advertiser made several count in full.
    free, segment, _ = market(generator, [600] * 10, 0.0)
    loose = estimate_segment_reserves(free, segment, cluster=advertiser)
    assert loose[0].counted > 350


def test_shrinking_earns_more_than_either_end_on_new_values() -> None:
    """Small segments, moderately different: money under the true law, summed over seeds."""
    earned = {"shrunk": 0.0, "own": 0.0, "pool": 0.0}
    for seed in range(12):
        generator = np.random.default_rng([seed, 6])
        values, segment, scale = market(generator, [12] * 25, 0.5)
        found = estimate_segment_reserves(values, segment, seed=seed)
        fresh = np.exp(0.6 * generator.standard_normal(5_000)) * MICROS
        for name in range(25):
            row = found[name]
            for way, price in (
                ("shrunk", row.reserve_micros),
                ("own", row.own_micros),
                ("pool", found.pool.reserve_micros),
            ):
                earned[way] += price * float((fresh * scale[name] >= price).mean())
    assert earned["shrunk"] > 1.02 * earned["pool"]
    assert earned["shrunk"] > 1.01 * earned["own"]


def test_what_is_refused() -> None:
    for call, match in (
        (lambda: estimate_segment_reserves([], []), "values"),
        (lambda: estimate_segment_reserves([1, 2], [1]), "segment"),
        (lambda: estimate_segment_reserves([1, 2], [1.5, 2.0]), "segment"),
        (lambda: estimate_segment_reserves([1, 2], [1, 2], concentration=0), "concentration"),
        (lambda: estimate_segment_reserves([1, 2], [1, 2], cluster=[0.5, 1]), "cluster"),
    ):
        with pytest.raises(InputError, match=match):
            call()
