"""A batch on several cores is the batch in one call, bit for bit, errors included."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.auction import hold_auctions
from auction.batch import OutcomeBatch, SlateBatch
from auction.cores import _cuts, _part, hold_auctions_on, usable_cores
from auction.errors import InputError
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing
from auction.simulation.sample import sample_slates
from tests.auction.small_markets import draw_policy, draw_slate

PLAIN = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True),
    exposure=Exposure(examination=[1.0, 0.6, 0.4]),
)


def assert_same(split: OutcomeBatch, whole: OutcomeBatch) -> None:
    for field in fields(OutcomeBatch):
        got, expected = getattr(split, field.name), getattr(whole, field.name)
        assert got.dtype == expected.dtype, field.name
        np.testing.assert_array_equal(got, expected, err_msg=field.name)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), slates=st.integers(0, 40), cores=st.integers(1, 9))
def test_any_split_gives_the_outcomes_of_one_call(seed: int, slates: int, cores: int) -> None:
    rng = np.random.default_rng(seed)
    batch = SlateBatch.of([draw_slate(rng, alike=bool(n % 2)) for n in range(slates)])
    policy = draw_policy(rng, Pricing(rng.choice(list(Pricing))))
    assert_same(hold_auctions_on(batch, policy, cores), hold_auctions(batch, policy))


def test_plain_auctions_split_too() -> None:
    batch = sample_slates(np.random.default_rng(1), 3_000, (0, 40), 0)
    assert_same(hold_auctions_on(batch, PLAIN, 3), hold_auctions(batch, PLAIN))


def test_held_positions_stay_with_their_slates() -> None:
    rng = np.random.default_rng(2)
    slates = [draw_slate(rng, organics=12) for _ in range(30)]
    held = [
        replace(slate, hold=rng.choice([0, 0, 1], int(rng.integers(0, 8))).astype(np.int8))
        for slate in slates
    ]
    policy = AuctionPolicy(
        rules=FeedRules(min_gap=1, max_share=1.0), exposure=Exposure(examination=[0.9**s for s in range(16)])
    )
    batch = SlateBatch.of(held)
    assert_same(hold_auctions_on(batch, policy, 4), hold_auctions(batch, policy))


def test_more_cores_than_slates() -> None:
    rng = np.random.default_rng(3)
    for slates in (0, 1, 2, 3):
        batch = SlateBatch.of([draw_slate(rng) for _ in range(slates)])
        policy = draw_policy(rng)
        assert_same(hold_auctions_on(batch, policy, 64), hold_auctions(batch, policy))


def test_slates_without_ads_and_without_items() -> None:
    rng = np.random.default_rng(4)
    batch = SlateBatch.of([draw_slate(rng, ads=0, organics=0) for _ in range(20)])
    policy = draw_policy(rng)
    assert_same(hold_auctions_on(batch, policy, 4), hold_auctions(batch, policy))


def test_the_default_is_every_core_at_hand() -> None:
    assert usable_cores() >= 1
    batch = sample_slates(np.random.default_rng(5), 200, 12, 0)
    assert_same(hold_auctions_on(batch, PLAIN), hold_auctions(batch, PLAIN))


@pytest.mark.parametrize("at", [0, 37, 99])
@pytest.mark.parametrize("cores", [1, 2, 7])
def test_an_error_names_the_slate_of_the_whole_batch(at: int, cores: int) -> None:
    batch = sample_slates(np.random.default_rng(6), 100, 8, 0)
    bids = batch.bid_micros.copy()
    bids[8 * at + 5] = -3
    bids[-1] = -4  # a later fault, in another part, is never the one that is named
    with pytest.raises(InputError) as caught:
        hold_auctions_on(replace(batch, bid_micros=bids), PLAIN, cores)
    assert caught.value.field == f"slate[{at}].bid_micros[5]"
    assert caught.value.value == -3


def test_one_slate_of_its_own_part_is_named_by_its_index() -> None:
    rng = np.random.default_rng(7)
    slates = [draw_slate(rng, ads=3, organics=8) for _ in range(3)]
    broken = replace(slates[2], organic_utility=np.array([np.inf]), organic_grade=np.zeros(1, np.int8))
    policy = draw_policy(rng)
    with pytest.raises(InputError) as caught:
        hold_auctions_on(SlateBatch.of([*slates[:2], broken]), policy, 8)
    assert caught.value.field == "slate[2].organic_utility[0]"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ad_start": np.array([0, 8, 4, 24])}, "ad_start[2]"),
        ({"ad_start": np.array([0, 8])}, "ad_start"),
        ({"organic_start": np.array([0])}, "organic_start"),
        ({"p_click": np.zeros(3)}, "p_click"),
    ],
)
def test_a_batch_that_does_not_fit_together_is_refused_as_in_one_call(change, field) -> None:
    batch = replace(sample_slates(np.random.default_rng(8), 3, 8, 0), **change)
    with pytest.raises(InputError) as caught:
        hold_auctions_on(batch, PLAIN, 2)
    assert caught.value.field == field


def test_a_policy_without_exposure_is_refused() -> None:
    batch = sample_slates(np.random.default_rng(9), 10, 8, 0)
    with pytest.raises(InputError, match=r"policy\.exposure"):
        hold_auctions_on(batch, AuctionPolicy(), 2)


@pytest.mark.parametrize("cores", [0, -1])
def test_no_cores_are_refused(cores: int) -> None:
    batch = sample_slates(np.random.default_rng(9), 10, 8, 0)
    with pytest.raises(InputError, match="cores"):
        hold_auctions_on(batch, PLAIN, cores)


def test_parts_are_balanced_by_candidates_and_are_views() -> None:
    rng = np.random.default_rng(10)
    batch = sample_slates(rng, 400, (0, 60), (0, 30))
    cuts = _cuts(batch, 8)
    assert cuts[0] == 0
    assert cuts[-1] == 400
    sizes = [
        len(part.ad_id) + len(part.organic_utility)
        for part in (_part(batch, int(a), int(b)) for a, b in pairwise(cuts))
    ]
    # No part is off the even share by more than the widest slate.
    assert max(sizes) - sum(sizes) / 8 < 120
    assert np.shares_memory(_part(batch, 10, 20).bid_micros, batch.bid_micros)
