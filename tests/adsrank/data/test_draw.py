import numpy as np
from scipy import stats

from adsrank.data.draw import bits, normal, text_key, uniform
from adsrank.request import AdRequest


def test_a_draw_is_a_function_of_its_key_alone() -> None:
    key = np.arange(1000)
    shuffled = np.random.default_rng(0).permutation(1000)
    together = uniform(5, key, 7)
    assert np.array_equal(uniform(5, key[shuffled], 7), together[shuffled])
    assert [uniform(5, int(k), 7)[0] for k in key[:20]] == together[:20].tolist()


def splitmix64(state: int) -> int:
    """Plain-integer reference; from state 0 its first output is the published 0xE220A8397B1DCDAF."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def test_the_bits_are_those_of_splitmix64_in_plain_integers() -> None:
    assert splitmix64(0) == 0xE220A8397B1DCDAF
    for key in [(0,), (1, 2), (2**64 - 1, 7, 123_456_789_012)]:
        state = 0
        for part in key:
            state = splitmix64((state + splitmix64(part)) % 2**64)
        assert int(bits(*key)[0]) == state
        assert int(bits(*(np.array([part], np.uint64) for part in key))[0]) == state


def test_every_part_of_a_key_and_its_place_count() -> None:
    keys = [(1, 2, 3), (1, 3, 2), (2, 1, 3), (1, 2), (1, 2, 3, 0), (0, 1, 2, 3)]
    assert len({int(bits(*key)[0]) for key in keys}) == len(keys)


def test_parts_broadcast() -> None:
    table = uniform(1, np.arange(3)[:, None], np.arange(4))
    assert table.shape == (3, 4)
    assert table[2, 1] == uniform(1, 2, 1)[0]


def test_draws_are_uniform_and_normal() -> None:
    key = np.arange(200_000)
    assert stats.kstest(uniform(9, key), "uniform").pvalue > 0.001
    assert stats.kstest(normal(9, key, 1), "norm").pvalue > 0.001
    assert uniform(9, key).min() > 0
    assert uniform(9, key).max() < 1


def test_neighbouring_keys_are_uncorrelated() -> None:
    key = np.arange(100_000)
    for other in (uniform(4, key + 1), uniform(5, key), uniform(4, key, 1)):
        assert abs(np.corrcoef(uniform(4, key), other)[0, 1]) < 0.015


def test_text_keys_are_the_seeds_of_requests() -> None:
    names = ["b7-695aff00-0000001-0", "Zürich"]
    assert text_key(names).tolist() == [AdRequest(request_id=name, user_id="u").seed for name in names]
