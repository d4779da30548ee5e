"""The short cut for plain position auctions gives the answer of the general layout."""

import numpy as np
import pytest

from auction.auction import _hold, hold_auction
from auction.batch import OutcomeBatch, SlateBatch
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Quality, Reserve
from auction.simulation.sample import sample_slates
from tests.auction.oracle import tie_hash
from tests.auction.small_markets import draw_slate


def draw_terms(rng: np.random.Generator, pricing: Pricing) -> AuctionPolicy:
    steps = rng.choice([1.0, 0.8, 0.5, 0.1], int(rng.integers(1, 6)))
    return AuctionPolicy(
        pricing=pricing,
        rules=FeedRules(
            first_position=1, min_gap=1, max_ads=int(rng.integers(0, 5)), max_share=1.0, ad_last=True
        ),
        exposure=Exposure(examination=[float(e) for e in np.cumprod(steps)]),
        reserve=Reserve(click_micros=int(rng.choice([0, 400_000]))),
        quality=Quality(save_micros=50_000.0, hide_micros=float(rng.choice([0.0, 900_000.0]))),
    )


@pytest.mark.parametrize("pricing", list(Pricing))
@pytest.mark.parametrize("alike", [False, True])
def test_the_short_cut_equals_the_general_layout(pricing: Pricing, alike: bool) -> None:
    rng = np.random.default_rng(11)
    for _ in range(40):
        policy = draw_terms(rng, pricing)
        batch = SlateBatch.of([draw_slate(rng, ads=9, organics=0, alike=alike) for _ in range(12)])
        short, general = _hold(batch, policy, general=False), _hold(batch, policy, general=True)
        for name in OutcomeBatch.__slots__:
            np.testing.assert_array_equal(getattr(short, name), getattr(general, name), err_msg=name)


def test_a_soft_floor_binds_the_same_ad_alone_and_in_a_batch() -> None:
    rng = np.random.default_rng(13)
    policy = draw_terms(rng, Pricing.SECOND_PRICE).model_copy(
        update={
            "rules": FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True),
            "reserve": Reserve(),
            "soft_floor": Reserve(click_micros=400_000, impression_micros=20_000),
        }
    )
    batch = sample_slates(rng, 30, (2, 12), 0)
    whole = _hold(batch, policy)
    for n in range(len(batch)):
        np.testing.assert_array_equal(
            whole[n].price_micros, hold_auction(batch.slate(n), policy).price_micros
        )


def test_a_single_slot_charges_the_second_highest_bid() -> None:
    rng = np.random.default_rng(12)
    policy = AuctionPolicy(
        rules=FeedRules(first_position=1, min_gap=1, max_ads=1, max_share=1.0, ad_last=True),
        exposure=Exposure(examination=[1.0]),
    )
    for pricing in (Pricing.SECOND_PRICE, Pricing.VCG):
        for _ in range(50):
            slate = draw_slate(rng, ads=6, organics=0)
            n = len(slate.ad_id)
            if n < 2:
                continue
            ones = np.ones(n)
            slate = type(slate)(
                **{
                    **{name: getattr(slate, name) for name in type(slate).__slots__},
                    "billable": np.zeros(n, np.int8),
                    "advertiser_id": np.arange(n),
                    "multiplier": ones,
                    "relevance": ones,
                    "goal": None,
                    "reserve_micros": None,
                    "bid_micros": rng.permutation(100)[:n] * 1_000,
                }
            )
            outcome = hold_auction(slate, policy.model_copy(update={"pricing": pricing}))
            order = np.argsort(slate.bid_micros)
            assert outcome.position[order[-1]] == 1
            first, second = order[-1], order[-2]
            # One micro more where the hash would give the tie to the second.
            loses_tie = tie_hash(slate.seed, int(slate.ad_id[second])) > tie_hash(
                slate.seed, int(slate.ad_id[first])
            )
            extra = 1 if loses_tie and pricing is Pricing.SECOND_PRICE else 0
            assert outcome.price_micros[first] == slate.bid_micros[second] + extra
