"""The engine against full enumeration: layout, every price, the curve behind them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auction.auction import _hold, hold_auction
from auction.batch import OutcomeBatch, SlateBatch
from auction.hold import Hold
from auction.outcome import Outcome, Setter
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing
from auction.reason import Reason
from auction.simulation.sample import sample_slates
from auction.slate import Slate
from tests.auction.oracle import Oracle
from tests.auction.small_markets import crowded, draw_policy, draw_slate, with_holds, with_more_rules


def assert_layout_is_best(slate: Slate, oracle: Oracle, outcome: Outcome) -> None:
    best = oracle.best()
    shown = sorted((int(s), i) for i, s in enumerate(outcome.position) if s > 0)
    assert outcome.value_micros == oracle.value(best, {}) / 1e8
    assert tuple(shown) == best.ads
    for (_, ad), x in zip(best.ads, best.exposure, strict=True):
        assert outcome.exposure[ad] == x / 1e5
    assert outcome.organic_value_micros == best.organic / 1e8
    nothing = next(feed for feed in oracle.feeds if not feed.ads)
    assert outcome.organic_only_value_micros == nothing.organic / 1e8


def assert_second_prices(oracle: Oracle, outcome: Outcome) -> None:
    for ad in np.flatnonzero(outcome.position):
        price, bid, reserve = int(outcome.price_micros[ad]), oracle.bid[ad], oracle.reserve[ad]
        soft = oracle.soft_floor(ad)
        if bid < soft:
            assert price == bid
            assert outcome.setter[ad] == Setter.OWN_BID
            continue
        reserve = max(reserve, soft)
        kept = oracle.exposure_at(ad, bid)
        if oracle.policy.rules.one_per_advertiser:
            assert kept == round(outcome.exposure[ad] * 1e5)
        assert reserve <= price <= bid
        if kept == 0:
            assert price == reserve
            continue
        assert oracle.exposure_at(ad, price) >= kept
        if price > reserve:
            assert oracle.exposure_at(ad, price - 1) < kept
        else:
            assert outcome.setter[ad] in (Setter.RESERVE, Setter.AD, Setter.ORGANIC)


def assert_vcg_prices(oracle: Oracle, outcome: Outcome) -> None:
    for ad in np.flatnonzero(outcome.position):
        price, bid, reserve = int(outcome.price_micros[ad]), oracle.bid[ad], oracle.reserve[ad]
        soft = oracle.soft_floor(ad)
        assert max(reserve, min(soft, bid)) <= price <= bid
        if bid < soft:
            assert price == bid
            continue
        out = oracle.siblings(ad)
        kept = oracle.best(out)
        x = kept.exposure_of(ad)
        if x == 0:
            assert price == max(reserve, soft)
            continue
        low = oracle.best(out, {ad: reserve})
        others = oracle.value(kept, {}) - x * oracle.worth(ad)
        target = oracle.value(low, {ad: reserve}) + oracle.bonus(low) - oracle.bonus(kept) - others
        assert x * oracle.worth(ad, price) >= target
        if price > max(reserve, soft):
            assert x * oracle.worth(ad, price - 1) < target


def assert_setters(slate: Slate, oracle: Oracle, outcome: Outcome) -> None:
    for i in range(len(slate.ad_id)):
        if outcome.setter[i] == Setter.AD:
            j = int(np.flatnonzero(slate.ad_id == outcome.setter_ad_id[i])[0])
            assert oracle.eligible[j]
            assert slate.advertiser_id[j] != slate.advertiser_id[i]
        else:
            assert outcome.setter_ad_id[i] == 0
        assert (outcome.setter[i] == Setter.NONE) == (outcome.position[i] == 0)


def assert_reasons(slate: Slate, oracle: Oracle, outcome: Outcome) -> None:
    shown = {int(slate.advertiser_id[i]) for i in np.flatnonzero(outcome.position)}
    alone = {}
    for i in range(len(slate.ad_id)):
        reason = Reason(int(outcome.reason[i]))
        assert (reason is Reason.SHOWN) == (outcome.position[i] > 0)
        if not oracle.eligible[i]:
            assert reason in (Reason.INVALID, Reason.RELEVANCE, Reason.BELOW_RESERVE)
            continue
        alone[i] = bool(oracle.best(frozenset(range(oracle.n)) - {i}).ads)
        if reason is Reason.SAME_ADVERTISER:
            assert int(slate.advertiser_id[i]) in shown
        if reason is Reason.AD_LOAD:
            assert oracle.most_ads() == 0
        if reason is Reason.ORGANIC_BEAT_AD:
            assert not alone[i]
        if reason in (Reason.OUTBID, Reason.SPACING) and shown:
            assert alone[i]
            if Hold.FOR_AD in oracle.hold:
                continue
            placed = np.flatnonzero(outcome.position)
            assert all(oracle.worth(i) <= oracle.worth(int(j)) for j in placed)
        if reason is Reason.SAME_CATEGORY:
            assert oracle.category[i] in {oracle.category[j] for j in np.flatnonzero(outcome.position)}
        if reason is Reason.ADJACENCY:
            assert oracle.policy.rules.adjacency


def check(seed: int, pricing: Pricing, crowd: bool = False, **drawn: Any) -> None:
    rng = np.random.default_rng(seed)
    slate, policy = draw_slate(rng, **drawn), draw_policy(rng, pricing)
    if seed % 2:
        slate, policy = with_holds(rng, slate), with_more_rules(rng, policy)
    if crowd:
        slate, policy = crowded(rng, slate, policy)
    outcome = hold_auction(slate, policy)
    if crowd or seed % 4 == 1:
        # The same answer where every clash becomes part of the layout's state at once.
        stated = _hold(SlateBatch.of([slate]), policy, branches=0)[0]
        for name in Outcome.__slots__:
            np.testing.assert_array_equal(getattr(stated, name), getattr(outcome, name), err_msg=name)
    oracle = Oracle(slate, policy)
    assert outcome.exact
    assert_layout_is_best(slate, oracle, outcome)
    if pricing is Pricing.SECOND_PRICE:
        assert_second_prices(oracle, outcome)
    else:
        assert_vcg_prices(oracle, outcome)
    assert_setters(slate, oracle, outcome)
    assert_reasons(slate, oracle, outcome)


@pytest.mark.parametrize("per_advertiser", [True, False])
def test_categories_as_branches_and_as_states_give_one_answer(per_advertiser: bool) -> None:
    # What a price's trial makes critical voids the table, and to lay it out anew may do so again.
    batch = sample_slates(np.random.default_rng(5), 160, (0, 30), (0, 20))
    batch = replace(batch, organic_utility=batch.organic_utility * 30_000)
    rules = FeedRules(
        first_position=1,
        min_gap=2,
        max_ads=5,
        max_share=0.5,
        one_per_category=True,
        one_per_advertiser=per_advertiser,
    )
    curve = [round(0.96**s, 5) for s in range(40)]
    policy = AuctionPolicy(rules=rules, exposure=Exposure(examination=curve, gap_effect=[0.6, 0.7, 0.9]))
    branched, stated = _hold(batch, policy), _hold(batch, policy, branches=0)
    for name in OutcomeBatch.__slots__:
        np.testing.assert_array_equal(getattr(stated, name), getattr(branched, name), err_msg=name)


@pytest.mark.parametrize("block", range(8))
def test_small_auctions_equal_full_enumeration_at_second_prices(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        check(seed, Pricing.SECOND_PRICE)


@pytest.mark.parametrize("block", range(4))
def test_small_auctions_equal_full_enumeration_at_vcg_prices(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        check(100_000 + seed, Pricing.VCG)


@pytest.mark.parametrize("block", range(3))
def test_auctions_full_of_ties_equal_full_enumeration(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        check(200_000 + seed, Pricing.SECOND_PRICE, alike=True)


@pytest.mark.parametrize("block", range(4))
def test_auctions_where_many_ads_clash_equal_full_enumeration(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        pricing = Pricing.VCG if seed % 2 else Pricing.SECOND_PRICE
        check(300_000 + seed, pricing, crowd=True, alike=seed % 5 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_thousands_of_auctions_where_many_ads_clash_equal_full_enumeration(block: int) -> None:
    for seed in range(block * 150, block * 150 + 150):
        pricing = Pricing.VCG if seed % 2 else Pricing.SECOND_PRICE
        check(2_000_000 + seed, pricing, crowd=True, ads=7, alike=seed % 5 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_twenty_thousand_small_auctions_equal_full_enumeration(block: int) -> None:
    for seed in range(block * 1_000, block * 1_000 + 1_000):
        pricing = Pricing.VCG if seed % 3 == 0 else Pricing.SECOND_PRICE
        check(1_000_000 + seed, pricing, alike=seed % 5 == 0)
