"""The order of equal scores."""

import numpy as np

from auction.order import rank_ads
from auction.tie import TIE_BITS, tie_hash
from tests.auction import oracle


def test_the_hash_is_the_same_in_plain_integers() -> None:
    rng = np.random.default_rng(1)
    seeds, ids = rng.integers(0, 2**64, 300, np.uint64), rng.integers(-(2**63), 2**63 - 1, 300)
    for seed, ad_id in zip(seeds, ids, strict=True):
        assert tie_hash(seed, ad_id) == oracle.tie_hash(int(seed), int(ad_id))


def test_every_hash_is_positive_and_spread_over_its_range() -> None:
    hashes = np.array([tie_hash(np.uint64(9), np.int64(n)) for n in range(4_000)])
    assert hashes.min() >= 1
    assert hashes.max() <= 2**TIE_BITS
    assert abs(hashes.mean() / 2**TIE_BITS - 0.5) < 0.03


def test_another_request_orders_equal_ads_anew() -> None:
    wins = 0
    for seed in range(2_000):
        wins += tie_hash(np.uint64(seed), np.int64(1)) > tie_hash(np.uint64(seed), np.int64(2))
    assert 900 < wins < 1_100


def test_ads_are_ranked_by_worth_then_hash_then_id() -> None:
    rng = np.random.default_rng(2)
    for count in (0, 1, 2, 3, 17, 200):
        worth, tie = rng.integers(0, 4, count), rng.integers(0, 3, count)
        ids = rng.permutation(1_000)[:count].astype(np.int64)
        members = rng.permutation(count).astype(np.int64)
        rank_ads(members, worth, tie, ids)
        want = sorted(range(count), key=lambda i: (-worth[i], -tie[i], ids[i]))
        assert members.tolist() == want
