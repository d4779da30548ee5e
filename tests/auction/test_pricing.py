"""The allocation curve behind the prices, and who may set them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auction.auction import hold_auction
from auction.audit import BestResponse, best_responses
from auction.batch import SlateBatch, column_of
from auction.outcome import Setter
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing
from auction.reason import Reason
from auction.slate import AD_COLUMNS, Slate
from tests.auction.golden_case import read_slate
from tests.auction.oracle import Oracle
from tests.auction.small_markets import draw_policy, draw_slate, with_more_rules
from tests.auction.test_oracle import check


def response_to(slate: Slate, policy: AuctionPolicy) -> BestResponse:
    """Best single misreport of every shown ad and the nearest losers."""
    return best_responses(SlateBatch.of([slate]), policy, [policy.pricing])[policy.pricing]


@given(seed=st.integers(0, 2**32), alike=st.booleans(), vcg=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_small_auction_equals_full_enumeration(seed: int, alike: bool, vcg: bool) -> None:
    check(seed, Pricing.VCG if vcg else Pricing.SECOND_PRICE, alike=alike)


def test_the_value_of_the_best_feed_is_convex_in_a_bid_with_the_exposure_as_slope() -> None:
    rng = np.random.default_rng(21)
    for _ in range(60):
        slate, policy = draw_slate(rng), draw_policy(rng)
        if len(slate.ad_id) == 0:
            continue
        ad = int(rng.integers(0, len(slate.ad_id)))
        bids = np.arange(1, 60) * 25_000
        ads = len(slate.ad_id)
        looks = {"billable": np.zeros(ads, np.int8), "multiplier": np.ones(ads)}
        billed_by_look = replace(slate, goal=None, reserve_micros=None, **looks)
        values, exposures = [], []
        for bid in bids:
            changed = billed_by_look.bid_micros.copy()
            changed[ad] = bid
            outcome = hold_auction(replace(billed_by_look, bid_micros=changed), policy)
            values.append(round(outcome.value_micros * 1e8))
            exposures.append(round(float(outcome.exposure[ad]) * 1e5))
        met = bids[:-1] >= policy.reserve.impression_micros
        steps, looks = np.diff(values)[met], np.array(exposures)
        assert np.all(np.diff(steps) >= 0)
        assert np.all(looks[:-1][met] * 25_000_000 <= steps)
        assert np.all(steps <= looks[1:][met] * 25_000_000)


def test_vcg_leaves_nothing_to_gain_by_any_single_misreport() -> None:
    rng = np.random.default_rng(22)
    for _ in range(60):
        slate, policy = draw_slate(rng), draw_policy(rng, Pricing.VCG)
        slate = replace(slate, advertiser_id=np.arange(len(slate.ad_id)))
        policy = with_more_rules(rng, policy).model_copy(update={"soft_floor": None})
        found = response_to(slate, policy)
        # A price is rounded up to a whole micro, a worth down to a thousandth.
        assert np.all(found.best_micros - found.utility_micros <= found.rounding_micros + 1e-6)
        assert np.all(found.utility_micros >= -1e-9)


def test_the_second_price_of_one_slot_leaves_nothing_to_gain() -> None:
    rng = np.random.default_rng(23)
    for _ in range(40):
        slate = draw_slate(rng)
        slate = replace(slate, advertiser_id=np.arange(len(slate.ad_id)))
        policy = draw_policy(rng)
        # One look: every place an ad can have is the same one.
        exposure = Exposure(examination=[0.8] * policy.rules.first_position)
        rules = policy.rules.model_copy(update={"max_ads": 1})
        found = response_to(slate, policy.model_copy(update={"exposure": exposure, "rules": rules}))
        assert np.all(found.best_micros - found.utility_micros <= found.rounding_micros + 1e-6)


def test_the_second_price_of_two_slots_can_be_gamed_and_the_regret_says_so() -> None:
    ads = [{"ad_id": n, "billable": "IMPRESSION", "bid_micros": b} for n, b in ((1, 100), (2, 90), (3, 10))]
    policy = AuctionPolicy(
        rules=FeedRules(first_position=1, min_gap=1, max_ads=2, max_share=1.0, ad_last=True),
        exposure=Exposure(examination=[1.0, 0.9]),
    )
    found = response_to(read_slate({"ads": ads, "organic": []}), policy)
    # First at 90 gains 10; second at 10 gains .9 * 90 = 81.
    assert found.utility_micros[0] == pytest.approx(10.0, abs=1.0)
    assert found.best_micros[0] == pytest.approx(81.0, abs=2.0)
    assert found.best_bid_micros[0] < 100


def test_without_reserve_vcg_is_the_externality_within_a_micro() -> None:
    rng = np.random.default_rng(24)
    seen = 0
    for _ in range(500):
        slate, policy = replace(draw_slate(rng), reserve_micros=None), draw_policy(rng, Pricing.VCG)
        zero = policy.reserve.model_copy(
            update={"impression_micros": 0, "click_micros": 0, "conversion_micros": 0}
        )
        policy = policy.model_copy(update={"reserve": zero})
        outcome, oracle = hold_auction(slate, policy), Oracle(slate, policy)
        for ad in np.flatnonzero(outcome.position):
            kept = oracle.best(oracle.siblings(ad))
            x = kept.exposure_of(ad)
            if x == 0 or oracle.exposure_at(ad, 0) > 0:
                continue
            without = oracle.best(oracle.siblings(ad) | {ad})
            others = oracle.value(kept, {}) - x * oracle.worth(ad)
            externality = oracle.value(without, {}) - others
            price = int(outcome.price_micros[ad])
            paid = x * (price * oracle.rate[ad] + oracle.quality[ad])
            # Whole micros of price, and floors of a thousandth of a micro in the worth.
            assert externality - 2 * x <= paid <= externality + x * (oracle.rate[ad] + 2)
            seen += 1
    assert seen > 100


def test_no_ad_of_its_own_advertiser_ever_changes_a_price() -> None:
    rng = np.random.default_rng(25)
    for _ in range(120):
        slate, policy = draw_slate(rng), draw_policy(rng)
        if not policy.rules.one_per_advertiser:
            continue
        outcome = hold_auction(slate, policy)
        for ad in np.flatnonzero(outcome.position):
            keep = (slate.advertiser_id != slate.advertiser_id[ad]) | (np.arange(len(slate.ad_id)) == ad)
            alone = hold_auction(take(slate, keep), policy)
            at = int(keep[:ad].sum())
            assert alone.price_micros[at] == outcome.price_micros[ad]
            assert alone.position[at] == outcome.position[ad]


def test_an_ad_that_may_not_compete_changes_nothing() -> None:
    rng = np.random.default_rng(26)
    for _ in range(120):
        slate, policy = draw_slate(rng), draw_policy(rng)
        outcome = hold_auction(slate, policy)
        out = np.isin(outcome.reason, [Reason.INVALID, Reason.RELEVANCE, Reason.BELOW_RESERVE])
        rest = hold_auction(take(slate, ~out), policy)
        np.testing.assert_array_equal(rest.price_micros, outcome.price_micros[~out])
        np.testing.assert_array_equal(rest.setter_ad_id, outcome.setter_ad_id[~out])
        assert not np.any(np.isin(outcome.setter_ad_id[outcome.setter == Setter.AD], slate.ad_id[out]))


def take(slate: Slate, keep: np.ndarray) -> Slate:
    return replace(slate, **{name: column_of(slate, name)[keep] for name in AD_COLUMNS})


@pytest.mark.parametrize("block", range(3))
def test_siblings_of_different_tolerance_equal_full_enumeration(block: int) -> None:
    for seed in range(block * 60, block * 60 + 60):
        rng = np.random.default_rng(300_000 + seed)
        slate = draw_slate(rng, ads=6)
        n = len(slate.ad_id)
        # Two advertisers; the less tolerant an ad, the more it bids: the case that needs branching.
        tolerance = rng.integers(0, 3, n).astype(np.int8)
        slate = replace(
            slate,
            advertiser_id=rng.integers(0, 2, n),
            tolerance=tolerance,
            bid_micros=(1_000_000 // (tolerance.astype(np.int64) + 1) + rng.integers(0, 50_000, n)),
            organic_grade=rng.integers(0, 3, len(slate.organic_utility)).astype(np.int8),
        )
        rules = draw_policy(rng).rules.model_copy(update={"adjacency": True, "one_per_advertiser": True})
        policy = draw_policy(rng).model_copy(update={"rules": rules})
        outcome, oracle = hold_auction(slate, policy), Oracle(slate, policy)
        assert outcome.value_micros == oracle.value(oracle.best(), {}) / 1e8
        for ad in np.flatnonzero(outcome.position):
            price, x = int(outcome.price_micros[ad]), round(float(outcome.exposure[ad]) * 1e5)
            assert oracle.exposure_at(ad, price) >= x
            assert price == oracle.reserve[ad] or oracle.exposure_at(ad, price - 1) < x
