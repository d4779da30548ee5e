"""The engine against full enumeration: layout, every price, the curve behind them."""

from typing import Any

import numpy as np
import pytest

from auction.auction import hold_auction
from auction.outcome import Outcome, Setter
from auction.policy import Pricing
from auction.reason import Reason
from auction.slate import Slate
from tests.auction.oracle import Oracle
from tests.auction.small_markets import draw_policy, draw_slate


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
        assert reserve <= price <= bid
        out = oracle.siblings(ad)
        kept = oracle.best(out)
        x = kept.exposure_of(ad)
        if x == 0:
            assert price == reserve
            continue
        low = oracle.best(out, {ad: reserve})
        others = oracle.value(kept, {}) - x * oracle.worth(ad)
        target = oracle.value(low, {ad: reserve}) - others
        assert x * oracle.worth(ad, price) >= target
        if price > reserve:
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
            placed = np.flatnonzero(outcome.position)
            assert all(oracle.worth(i) <= oracle.worth(int(j)) for j in placed)
        if reason is Reason.ADJACENCY:
            assert oracle.policy.rules.adjacency


def check(seed: int, pricing: Pricing, **drawn: Any) -> None:
    rng = np.random.default_rng(seed)
    slate, policy = draw_slate(rng, **drawn), draw_policy(rng, pricing)
    outcome = hold_auction(slate, policy)
    oracle = Oracle(slate, policy)
    assert_layout_is_best(slate, oracle, outcome)
    if pricing is Pricing.SECOND_PRICE:
        assert_second_prices(oracle, outcome)
    else:
        assert_vcg_prices(oracle, outcome)
    assert_setters(slate, oracle, outcome)
    assert_reasons(slate, oracle, outcome)


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


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_twenty_thousand_small_auctions_equal_full_enumeration(block: int) -> None:
    for seed in range(block * 1_000, block * 1_000 + 1_000):
        pricing = Pricing.VCG if seed % 3 == 0 else Pricing.SECOND_PRICE
        check(1_000_000 + seed, pricing, alike=seed % 5 == 0)
