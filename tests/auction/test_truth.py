"""What is truthful, monotone and convex, over random markets and any single misreport.

How far rounding alone may reach: let X be the exposure, p the event's chance, v the value, and
w(b) = floor(b p 1000) / 1000 + q the worth in micros. A price is the smallest whole micro whose worth
reaches the threshold, itself rounded up to a thousandth, so p (price) + q is less than the threshold plus
p + .002. The layout maximises with w, which is up to .001 below the true worth; the layout that a misreport
buys is compared at the true one. Together a truthful bid loses at most X p + .003 micros per request, and
p / s times as much of the .003 where the score counts s for p.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from auction.auction import hold_auctions
from auction.batch import OutcomeBatch, SlateBatch
from auction.billable import event_probability
from auction.outcome import Outcome
from auction.policy import AuctionPolicy, Exposure, Pricing, Squash
from auction.slate import Slate
from tests.auction.small_markets import draw_policy, draw_slate, with_holds, with_more_rules

EASY = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck))

seeds = st.integers(0, 2**32)
misreports = st.lists(
    st.one_of(
        st.floats(0.0, 3.0).map(lambda f: ("times", f)),
        st.sampled_from([-1, 1, -2, 2]).map(lambda n: ("plus", n)),
        st.sampled_from([0, 1, 2**30, 2**53, 2**53 + 1, 2**63 - 1]).map(lambda b: ("is", b)),
    ),
    min_size=1,
    max_size=12,
)


def draw(seed: int, pricing: Pricing) -> tuple[Slate, AuctionPolicy]:
    """A small market, one ad an advertiser; half of them with views, segment reserves and a squash, and
    half with held positions and the rarer rules."""
    rng = np.random.default_rng(seed)
    slate, policy = draw_slate(rng), draw_policy(rng, pricing)
    n = len(slate.ad_id)
    if seed % 2:
        slate = with_holds(rng, slate)
        policy = with_more_rules(rng, policy).model_copy(update={"soft_floor": None})
    slate = replace(slate, advertiser_id=np.arange(n), goal=None)
    if rng.random() < 0.5:
        slate = replace(
            slate,
            billable=rng.integers(0, 4, n).astype(np.int8),
            p_view=rng.uniform(0.0, 0.3, n),
            reserve_micros=rng.choice([0, 0, 100_000], n),
        )
        slate = replace(
            slate, bid_micros=np.where(slate.billable == 0, slate.bid_micros // 25, slate.bid_micros)
        )
        if rng.random() < 0.5:
            squash = Squash(
                exponent=float(rng.choice([0.5, 0.7, 0.93])), click=0.05, conversion=0.01, view=0.2
            )
            policy = policy.model_copy(update={"squash": squash})
    return slate, policy


def held(slate: Slate, policy: AuctionPolicy, ad: int, bids: list[int]) -> OutcomeBatch:
    """One auction per bid of one ad."""
    slates = []
    for bid in bids:
        changed = slate.bid_micros.copy()
        changed[ad] = bid
        slates.append(replace(slate, bid_micros=changed))
    return hold_auctions(SlateBatch.of(slates), policy)


def chance_of(slate: Slate, ad: int) -> float:
    views = slate.p_view if slate.p_view is not None else np.zeros(len(slate.ad_id))
    return float(event_probability(slate.billable, slate.p_click, slate.p_click_conversion, views)[ad])


def rounding_of(slate: Slate, policy: AuctionPolicy, ad: int, exposure: float) -> float:
    chance, squash = chance_of(slate, ad), policy.squash
    reference = [1.0, squash.click, squash.conversion, squash.view][int(slate.billable[ad])]
    ratio = 1.0
    if slate.billable[ad] != 0 and chance > 0.0:
        ratio = (chance / reference) ** (1.0 - squash.exponent)
    return exposure * chance + 0.003 * ratio + 1e-6


def utility(slate: Slate, outcome: Outcome, ad: int, value: int) -> float:
    paid = int(outcome.price_micros[ad])
    return float(outcome.exposure[ad]) * chance_of(slate, ad) * (value - paid)


def bids_of(told: list[tuple[str, float]], bid: int) -> list[int]:
    made = {"times": lambda x: round(bid * x), "plus": lambda x: max(bid + x, 0), "is": lambda x: x}
    return [int(made[how](x)) for how, x in told]


def assert_nothing_to_gain(
    slate: Slate, policy: AuctionPolicy, ad: int, told: list[tuple[str, float]]
) -> None:
    bid = int(slate.bid_micros[ad])
    value = int(np.floor(float(bid) * float(slate.multiplier[ad])))
    outcomes = held(slate, policy, ad, [bid, *bids_of(told, bid)])
    truthful = utility(slate, outcomes[0], ad, value)
    allowed = rounding_of(slate, policy, ad, float(outcomes[0].exposure[ad]))
    assert truthful >= 0.0
    for outcome in list(outcomes)[1:]:
        assert utility(slate, outcome, ad, value) <= truthful + allowed


def check_vcg(seed: int, which: int, told: list[tuple[str, float]]) -> None:
    slate, policy = draw(seed, Pricing.VCG)
    assume(len(slate.ad_id) > 0)
    assert_nothing_to_gain(slate, policy, which % len(slate.ad_id), told)


@given(seed=seeds, which=st.integers(0, 4), told=misreports)
@EASY
def test_vcg_leaves_nothing_to_gain_by_any_single_misreport(
    seed: int, which: int, told: list[tuple[str, float]]
) -> None:
    check_vcg(seed, which, told)


@pytest.mark.slow
@given(seed=seeds, which=st.integers(0, 4), told=misreports)
@MANY
def test_vcg_leaves_nothing_to_gain_in_thousands_of_markets(
    seed: int, which: int, told: list[tuple[str, float]]
) -> None:
    check_vcg(seed, which, told)


@given(seed=seeds, which=st.integers(0, 4), told=misreports)
@EASY
def test_a_second_price_with_one_place_leaves_nothing_to_gain(
    seed: int, which: int, told: list[tuple[str, float]]
) -> None:
    slate, policy = draw(seed, Pricing.SECOND_PRICE)
    assume(len(slate.ad_id) > 0)
    rules = policy.rules.model_copy(update={"max_ads": 1})
    # Seen no further than the first place that an ad may have: it is the only one.
    seen = Exposure(examination=[0.7] * rules.first_position, gap_effect=policy.exposure.gap_effect)
    policy = policy.model_copy(update={"rules": rules, "exposure": seen})
    assert_nothing_to_gain(slate, policy, which % len(slate.ad_id), told)


@given(seed=seeds, which=st.integers(0, 4), bids=st.lists(st.integers(0, 4_000_000), min_size=2, max_size=14))
@EASY
def test_along_a_chain_of_bids_the_exposure_never_falls(seed: int, which: int, bids: list[int]) -> None:
    rng = np.random.default_rng(seed)
    slate, policy = draw_slate(rng, alike=bool(rng.integers(0, 2))), draw_policy(rng)
    assume(len(slate.ad_id) > 0)
    ad = which % len(slate.ad_id)
    chain = held(slate, policy, ad, sorted(bids))
    seen = [float(outcome.exposure[ad]) for outcome in chain]
    assert seen == sorted(seen)


@given(seed=seeds, which=st.integers(0, 4), bids=st.lists(st.integers(0, 4_000_000), min_size=2, max_size=10))
@EASY
def test_the_second_price_never_falls_as_the_bid_rises(seed: int, which: int, bids: list[int]) -> None:
    """A better slot is a dearer one, and within a slot the price does not read the bid."""
    slate, policy = draw(seed, Pricing.SECOND_PRICE)
    assume(len(slate.ad_id) > 0)
    ad = which % len(slate.ad_id)
    chain = held(slate, policy, ad, sorted(bids))
    steps: dict[float, set[int]] = {}
    for outcome in chain:
        steps.setdefault(float(outcome.exposure[ad]), set()).add(int(outcome.price_micros[ad]))
    assert all(len(prices) == 1 for prices in steps.values())
    prices = [steps[x].copy().pop() for x in sorted(steps)]
    assert prices == sorted(prices)


@given(seed=seeds, which=st.integers(0, 4), bids=st.lists(st.integers(0, 200_000), min_size=3, max_size=9))
@EASY
def test_the_layouts_value_is_convex_in_one_ads_worth(seed: int, which: int, bids: list[int]) -> None:
    """Billed by the look, a worth is 1,000 times the bid plus quality, exactly: so three bids are three
    points of the curve, and the middle one lies on or below their chord, in integers."""
    rng = np.random.default_rng(seed)
    slate, policy = draw_slate(rng), draw_policy(rng, Pricing.FIRST_PRICE)
    assume(len(slate.ad_id) > 0)
    ad = which % len(slate.ad_id)
    billable, multiplier = slate.billable.copy(), slate.multiplier.copy()
    billable[ad], multiplier[ad] = 0, 1.0
    slate = replace(slate, billable=billable, multiplier=multiplier, goal=None, reserve_micros=None)
    policy = with_more_rules(rng, policy)
    met = sorted({bid for bid in bids if bid >= policy.reserve.impression_micros})
    assume(len(met) >= 3)
    outcomes = held(slate, policy, ad, met)
    value = [round(float(v) * 1e8) for v in outcomes.value_micros]
    slope = [round(float(outcome.exposure[ad]) * 1e5) for outcome in outcomes]
    for a in range(len(met)):
        for c in range(a + 2, len(met)):
            for b in range(a + 1, c):
                chord = value[a] * (met[c] - met[b]) + value[c] * (met[b] - met[a])
                assert value[b] * (met[c] - met[a]) <= chord
    for a in range(len(met) - 1):
        gained, worth = value[a + 1] - value[a], 1_000 * (met[a + 1] - met[a])
        assert slope[a] * worth <= gained <= slope[a + 1] * worth


@given(seed=seeds, pricing=st.sampled_from(Pricing))
@EASY
def test_nobody_pays_more_than_the_bid_or_less_than_the_reserve(seed: int, pricing: Pricing) -> None:
    slate, policy = draw(seed, pricing)
    outcome = hold_auctions(SlateBatch.of([slate]), policy)[0]
    bid = np.floor(slate.bid_micros * slate.multiplier)
    reserve = policy.reserve
    floors = [reserve.impression_micros, reserve.click_micros, reserve.conversion_micros, reserve.view_micros]
    own = slate.reserve_micros if slate.reserve_micros is not None else np.zeros(len(bid), np.int64)
    shown = outcome.position > 0
    least = np.maximum(np.array(floors)[slate.billable], own)
    assert np.all(outcome.price_micros[shown] >= least[shown])
    assert np.all(outcome.price_micros[shown] <= bid[shown])


@given(seed=seeds)
@EASY
def test_vcg_never_costs_more_than_the_second_price(seed: int) -> None:
    """A slot's second price is paid for all of its exposure, VCG's for each part of it at its own step."""
    slate, policy = draw(seed, Pricing.SECOND_PRICE)
    batch = SlateBatch.of([slate])
    second = hold_auctions(batch, policy)[0]
    vcg = hold_auctions(batch, policy.model_copy(update={"pricing": Pricing.VCG}))[0]
    np.testing.assert_array_equal(second.position, vcg.position)
    assert np.all(vcg.price_micros <= second.price_micros)
