"""What one step of a rule is worth: by hand, against enumeration, and never below nothing."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from auction.auction import hold_auction
from auction.batch import SlateBatch
from auction.grid import ads_allowed
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Reserve
from auction.shadow import ShadowPrice, _looser_policies, shadow_prices
from auction.slate import Slate
from tests.auction.golden_case import read_slate
from tests.auction.oracle import Oracle
from tests.auction.small_markets import crowded, draw_policy, draw_slate, with_more_rules

PAGE = AuctionPolicy(
    rules=FeedRules(first_position=2, min_gap=3, max_ads=1, max_share=1.0, ad_last=False),
    exposure=Exposure(examination=[1.0] * 8),
    reserve=Reserve(click_micros=100_000),
)


def by_rule(slates: Slate | SlateBatch, policy: AuctionPolicy) -> Mapping[str, ShadowPrice]:
    return {price.rule: price for price in shadow_prices(slates, policy)}


def ads(*bids: int, **common: object) -> list[dict[str, object]]:
    """Click ads 1, 2, ... of 5 %: a bid of 1,000,000 is worth 50,000 micros a look."""
    return [{"ad_id": n, "bid_micros": bid, **common} for n, bid in enumerate(bids, start=1)]


def test_one_more_ad_is_worth_the_next_ad() -> None:
    """Eight positions all seen alike and five items: two ads push nothing off the page."""
    slate = read_slate({"ads": ads(2_000_000, 1_000_000, 400_000), "organic": [{"utility": 0.0}] * 5})
    found = by_rule(slate, PAGE)
    assert found["rules.max_ads"].value_micros == 50_000.0
    assert found["rules.max_ads"].binding
    assert found["rules.max_ads"].change == "1 -> 2"
    # A better place is seen no better here, and nobody was turned away: the other rules cost nothing.
    for rule in ("rules.first_position", "rules.min_gap", "rules.adjacency", "reserve.click_micros"):
        assert found[rule].value_micros == 0.0
        assert not found[rule].binding


def test_a_gap_one_smaller_lets_the_second_ad_in() -> None:
    """Positions 2 and 5 are past the three items with a gap of 3 and no ad last; 2 and 4 are not."""
    policy = PAGE.model_copy(update={"rules": PAGE.rules.model_copy(update={"max_ads": 2})})
    slate = read_slate({"ads": ads(2_000_000, 1_000_000), "organic": [{"utility": 0.0}] * 3})
    found = by_rule(slate, policy)
    assert found["rules.min_gap"].value_micros == 50_000.0
    assert found["rules.ad_last"].value_micros == 50_000.0
    # The other way to make room: an ad at position 1 and one at 4.
    assert found["rules.first_position"].value_micros == 50_000.0
    assert found["rules.max_ads"].value_micros == 0.0


def test_a_reserve_costs_the_ad_that_it_turned_away() -> None:
    slate = read_slate({"ads": ads(90_000), "organic": [{"utility": 0.0}] * 3})
    found = by_rule(slate, PAGE)
    assert found["reserve.click_micros"].value_micros == 4_500.0
    assert found["reserve.click_micros"].change == "100000 -> 0"


def test_an_advertisers_second_ad_and_an_unsafe_neighbour_are_priced() -> None:
    policy = PAGE.model_copy(update={"rules": PAGE.rules.model_copy(update={"max_ads": 2, "min_gap": 2})})
    slate = read_slate({"ads": ads(2_000_000, 1_000_000, advertiser_id=9), "organic": [{"utility": 0.0}] * 4})
    assert by_rule(slate, policy)["rules.one_per_advertiser"].value_micros == 50_000.0
    risky = read_slate(
        {"ads": ads(2_000_000, tolerance="LOW"), "organic": [{"utility": 0.0, "grade": "HIGH"}] * 4}
    )
    assert by_rule(risky, policy)["rules.adjacency"].value_micros == 100_000.0


def test_the_relevance_floor_and_the_share_are_priced() -> None:
    rules = FeedRules(first_position=1, min_gap=1, max_ads=4, max_share=0.25, relevance_floor=0.5)
    policy = AuctionPolicy(rules=rules, exposure=Exposure(examination=[1.0] * 8))
    slate = read_slate(
        {
            "ads": [*ads(2_000_000, 1_000_000), {"ad_id": 3, "bid_micros": 3_000_000, "relevance": 0.1}],
            "organic": [{"utility": 0.0}] * 3,
        }
    )
    found = by_rule(slate, policy)
    # 1 of 1 + 3 items is a quarter; the next step of this page is 2 of 5.
    assert found["rules.max_share"].value_micros == 50_000.0
    assert found["rules.relevance_floor"].value_micros == 50_000.0
    assert found["rules.max_ads"].value_micros == 0.0


def test_a_segment_reserve_of_the_slate_is_priced_apart() -> None:
    slate = read_slate({"ads": ads(200_000), "organic": [{"utility": 0.0}] * 3})
    slate = replace(slate, reserve_micros=np.array([300_000]))
    found = by_rule(slate, PAGE)
    assert found["reserve_micros"].value_micros == 10_000.0
    assert found["reserve.click_micros"].value_micros == 0.0


def test_rules_that_are_off_have_no_price() -> None:
    policy = AuctionPolicy(
        rules=FeedRules(
            first_position=1,
            min_gap=1,
            max_ads=32,
            max_share=1.0,
            ad_last=True,
            one_per_advertiser=False,
            adjacency=False,
            relevance_floor=-1.0,
        ),
        exposure=Exposure(examination=[1.0, 0.5]),
    )
    assert shadow_prices(read_slate({"ads": ads(1_000), "organic": []}), policy) == []


def test_a_batch_has_the_prices_of_its_slates() -> None:
    rng = np.random.default_rng(31)
    policy = draw_policy(rng)
    slates = [draw_slate(rng) for _ in range(40)]
    together = by_rule(SlateBatch.of(slates), policy)
    apart = [by_rule(slate, policy) for slate in slates]
    for rule, price in together.items():
        alone = [each[rule].value_micros if rule in each else 0.0 for each in apart]
        np.testing.assert_array_equal(price.per_slate_micros, alone)
        assert price.value_micros == pytest.approx(sum(alone))
        assert price.bound_slates == np.count_nonzero(alone)


def test_a_looser_rule_never_costs_value() -> None:
    """Raw differences, not the ones that `shadow_prices` floors: every policy that it tries."""
    rng = np.random.default_rng(32)
    seen = set()
    for _ in range(500):
        slate, policy = draw_slate(rng), draw_policy(rng, Pricing.FIRST_PRICE)
        kept = hold_auction(slate, policy).value_micros
        for rule, _, looser in _looser_policies(policy):
            gained = hold_auction(slate, looser).value_micros - kept
            assert gained >= 0.0, rule
            if gained > 0.0:
                seen.add(rule)
    assert {"rules.max_ads", "rules.first_position", "rules.min_gap", "rules.adjacency"} <= seen
    assert {"rules.ad_last", "rules.one_per_advertiser", "rules.relevance_floor"} <= seen
    assert any(rule.startswith("reserve.") for rule in seen)


def test_shadow_prices_equal_full_enumeration() -> None:
    rng = np.random.default_rng(33)
    changes = {
        "rules.max_ads": lambda r: {"max_ads": r.max_ads + 1},
        "rules.min_gap": lambda r: {"min_gap": r.min_gap - 1},
        "rules.first_position": lambda r: {"first_position": r.first_position - 1},
        "rules.adjacency": lambda r: {"adjacency": False},
        "rules.one_per_advertiser": lambda r: {"one_per_advertiser": False},
        "rules.ad_last": lambda r: {"ad_last": True},
        "rules.one_per_category": lambda r: {"one_per_category": False},
        "rules.max_share_of_safe": lambda r: {"max_share_of_safe": None},
        "rules.min_organics": lambda r: {"min_organics": 0},
    }
    bound = set()
    for n in range(150):
        slate, policy = draw_slate(rng, ads=4, organics=5), draw_policy(rng)
        if n % 3 == 1:
            policy = with_more_rules(rng, policy)
        if n % 3 == 2:
            slate, policy = crowded(rng, slate, policy)
        base = Oracle(slate, policy)
        kept = base.value(base.best(), {})
        for rule, price in by_rule(slate, policy).items():
            if rule not in changes:
                continue
            rules = policy.rules.model_copy(update=changes[rule](policy.rules))
            oracle = Oracle(slate, policy.model_copy(update={"rules": rules}))
            # A wanted gap may grow where another rule gives way.
            gain = max(oracle.value(oracle.best(), {}) - kept, 0)
            assert price.value_micros == gain / 1e8, rule
            bound.add(rule) if price.binding else None
    assert bound == set(changes)


def test_the_ads_that_a_share_admits_are_counted_as_written() -> None:
    organics = (0, 1, 2, 3, 6, 9, 12)
    assert [ads_allowed(32, 0.25, n) for n in organics] == [0, 0, 0, 1, 2, 3, 4]
    assert [ads_allowed(32, 1 / 3, n) for n in organics] == [0, 0, 1, 1, 3, 4, 6]
    assert [ads_allowed(32, 0.0, n) for n in organics] == [0] * 7


def test_a_price_says_what_it_is_in_json() -> None:
    price = ShadowPrice("rules.min_gap", "3 -> 2", np.array([0.0, 10.0, 20.0]))
    assert price.to_json() == {
        "rule": "rules.min_gap",
        "change": "3 -> 2",
        "value_micros": 30.0,
        "mean_micros": 10.0,
        "bound_slates": 2,
        "binding": True,
    }
