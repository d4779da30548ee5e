"""The door and the edges of the auction."""

from dataclasses import replace

import numpy as np
import pytest

from auction.auction import hold_auction, hold_auctions
from auction.batch import SlateBatch, column_of
from auction.bid import VALUE_LIMIT, lowest_bid, worth
from auction.errors import InputError
from auction.outcome import Outcome, Setter
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Reserve
from auction.reason import Reason
from auction.slate import AD_COLUMNS, Slate
from tests.auction.golden_case import read_slate
from tests.auction.oracle import Oracle
from tests.auction.small_markets import draw_policy, draw_slate

POLICY = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=2, max_ads=3, max_share=1.0),
    exposure=Exposure(examination=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], gap_effect=[0.5, 0.8]),
    reserve=Reserve(click_micros=10_000),
)


def three_ads(organics: int = 4, **columns: object) -> Slate:
    ads = [{"ad_id": n, "bid_micros": n * 500_000} for n in (1, 2, 3)]
    slate = read_slate({"ads": ads, "organic": [{"utility": 5_000.0}] * organics})
    return replace(slate, **columns)


def assert_equal(a: Outcome, b: Outcome) -> None:
    for name in Outcome.__slots__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_an_empty_slate_has_an_empty_outcome() -> None:
    outcome = hold_auction(read_slate({"ads": [], "organic": []}), POLICY)
    assert len(outcome.position) == 0
    assert outcome.value_micros == outcome.organic_only_value_micros == 0.0


def test_without_ads_the_feed_is_worth_its_organic_items() -> None:
    outcome = hold_auction(read_slate({"ads": [], "organic": [{"utility": 10.0}] * 3}), POLICY)
    assert outcome.value_micros == outcome.organic_value_micros == pytest.approx(27.0)


def test_ads_below_the_reserve_all_leave_with_that_reason() -> None:
    outcome = hold_auction(three_ads(bid_micros=np.array([1, 2, 9_999])), POLICY)
    assert outcome.reason.tolist() == [Reason.BELOW_RESERVE] * 3
    assert outcome.price_micros.tolist() == [0, 0, 0]


def test_a_lone_ad_pays_the_reserve_where_organic_items_are_worth_nothing() -> None:
    slate = read_slate({"ads": [{"ad_id": 5}], "organic": [{"utility": 0.0}] * 3})
    outcome = hold_auction(slate, POLICY)
    assert outcome.price_micros[0] == 10_000
    assert outcome.setter[0] == Setter.RESERVE


@pytest.mark.parametrize(
    ("column", "values", "field"),
    [
        ("bid_micros", np.array([1, -5, 3]), "bid_micros[1]"),
        ("multiplier", np.array([1.0, 0.5, 1.5]), "multiplier[2]"),
        ("multiplier", np.array([0.0, 0.5, 1.0]), "multiplier[0]"),
        ("multiplier", np.array([1.0, np.nan, 1.0]), "multiplier[1]"),
        ("ad_id", np.array([4, 9, 4]), "ad_id[2]"),
        ("billable", np.array([0, 4, 1], np.int8), "billable[1]"),
        ("tolerance", np.array([0, 0, -1], np.int8), "tolerance[2]"),
        ("organic_utility", np.array([1.0, np.nan, 0.0, 0.0]), "organic_utility[1]"),
        ("organic_utility", np.array([1.0, 0.0, np.inf, 0.0]), "organic_utility[2]"),
        ("organic_utility", np.array([1.0, 0.0, 0.0, -1e12]), "organic_utility[3]"),
        ("organic_grade", np.array([0, 1, 2, 3], np.int8), "organic_grade[3]"),
        ("p_click", np.array([0.1, 0.1]), "p_click"),
        ("ad_id", np.array([1.0, 2.0, 3.0]), "ad_id"),
        ("bid_micros", np.array([2**63, 1, 1], np.uint64), "bid_micros"),
        ("relevance", np.ones((3, 1)), "relevance"),
        ("tolerance", np.array([300, 0, 0]), "tolerance"),
        ("seed", -1, "seed"),
        ("positions_since_ad", -2, "positions_since_ad"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_name(column: str, values: object, field: str) -> None:
    with pytest.raises(InputError) as refused:
        hold_auction(three_ads(**{column: values}), POLICY)
    assert refused.value.field == field


def test_in_a_batch_the_refusal_names_the_slate() -> None:
    bad = three_ads(bid_micros=np.array([1, -5, 3]))
    with pytest.raises(InputError) as refused:
        hold_auctions(SlateBatch.of([three_ads(), bad]), POLICY)
    assert refused.value.field == "slate[1].bid_micros[1]"
    assert refused.value.value == -5


@pytest.mark.parametrize("column", ["p_click", "p_click_conversion", "p_save", "p_hide", "relevance"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.1, 1.1])
def test_an_unusable_score_removes_that_ad_alone(column: str, value: float) -> None:
    if column == "relevance" and np.isfinite(value):
        return
    good = three_ads()
    scores = getattr(good, column).copy()
    scores[2] = value
    outcome = hold_auction(replace(good, **{column: scores}), POLICY)
    assert outcome.reason[2] == Reason.INVALID
    rest = hold_auction(
        read_slate(
            {
                "ads": [{"ad_id": n, "bid_micros": n * 500_000} for n in (1, 2)],
                "organic": [{"utility": 5_000.0}] * 4,
            }
        ),
        POLICY,
    )
    np.testing.assert_array_equal(outcome.position[:2], rest.position)
    np.testing.assert_array_equal(outcome.price_micros[:2], rest.price_micros)


@pytest.mark.parametrize("bid", [2**53 + 1, 2**62, 2**52])
def test_an_absurd_bid_is_invalid_and_overflows_nothing(bid: int) -> None:
    outcome = hold_auction(three_ads(bid_micros=np.array([500_000, 1_000_000, bid])), POLICY)
    assert outcome.reason[2] == Reason.INVALID
    assert outcome.position[1] > 0


def test_the_largest_worths_allowed_overflow_nothing() -> None:
    length, top = 256, VALUE_LIMIT / 1_000 - 1
    policy = AuctionPolicy(
        rules=FeedRules(first_position=1, min_gap=1, max_ads=32, max_share=1.0, ad_last=True),
        exposure=Exposure(examination=[1.0] * length),
    )
    slate = read_slate(
        {
            "ads": [{"ad_id": n, "billable": "IMPRESSION", "bid_micros": int(top)} for n in range(40)],
            "organic": [{"utility": top if n % 2 else -top} for n in range(300)],
        }
    )
    outcome = hold_auction(slate, policy)
    assert (outcome.position > 0).sum() == 32
    # In the feed without ads 128 items are worth +top, 128 -top; 32 ads at the right places change that.
    assert outcome.organic_only_value_micros == pytest.approx(0.0)
    assert outcome.value_micros > 31 * top


def test_a_policy_without_exposure_is_refused() -> None:
    with pytest.raises(InputError, match=r"policy\.exposure"):
        hold_auction(three_ads(), AuctionPolicy())


def test_rules_that_need_an_endless_table_are_refused() -> None:
    policy = AuctionPolicy(
        rules=FeedRules(first_position=1, min_gap=1, max_ads=32, max_share=1.0),
        exposure=Exposure(examination=[1.0] * 256, gap_effect=[0.5] * 16),
    )
    ads = [{"ad_id": n, "tolerance": ("LOW", "MEDIUM", "HIGH")[n % 3]} for n in range(120)]
    organic = [{"utility": 1.0, "grade": ("LOW", "MEDIUM", "HIGH")[n % 3]} for n in range(300)]
    with pytest.raises(InputError, match="max_ads"):
        hold_auction(read_slate({"ads": ads, "organic": organic}), policy)


def test_the_order_of_the_input_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    for _ in range(150):
        slate, policy = draw_slate(rng, alike=bool(rng.integers(0, 2))), draw_policy(rng)
        order = rng.permutation(len(slate.ad_id))
        columns = {name: column_of(slate, name)[order] for name in AD_COLUMNS}
        a, b = hold_auction(slate, policy), hold_auction(replace(slate, **columns), policy)
        for name in ("position", "exposure", "price_micros", "setter", "setter_ad_id", "reason"):
            np.testing.assert_array_equal(getattr(a, name)[order], getattr(b, name), err_msg=name)


def test_a_batch_decides_as_single_calls_do_and_reads_read_only_memory() -> None:
    rng = np.random.default_rng(5)
    policy = draw_policy(rng)
    slates = [draw_slate(rng) for _ in range(80)]
    batch = SlateBatch.of(slates)
    for name in ("bid_micros", "p_click", "organic_utility"):
        getattr(batch, name).flags.writeable = False
    outcomes = hold_auctions(batch, policy)
    assert len(outcomes) == len(slates)
    for n, (slate, outcome) in enumerate(zip(slates, outcomes, strict=True)):
        assert_equal(outcome, hold_auction(slate, policy))
        assert_equal(outcome, hold_auction(batch.slate(n), policy))


def test_a_higher_bid_never_lowers_the_own_exposure() -> None:
    rng = np.random.default_rng(6)
    for _ in range(120):
        slate, policy = draw_slate(rng), draw_policy(rng)
        if len(slate.ad_id) == 0:
            continue
        ad = int(rng.integers(0, len(slate.ad_id)))
        seen = []
        for bid in np.sort(rng.integers(0, 4_000_000, 12)):
            bids = slate.bid_micros.copy()
            bids[ad] = bid
            seen.append(float(hold_auction(replace(slate, bid_micros=bids), policy).exposure[ad]))
        assert seen == sorted(seen)


def test_price_never_passes_the_effective_bid_under_any_rule() -> None:
    rng = np.random.default_rng(7)
    for pricing in Pricing:
        for _ in range(80):
            slate, policy = draw_slate(rng), draw_policy(rng, pricing)
            outcome = hold_auction(slate, policy)
            assert np.all(outcome.price_micros <= Oracle(slate, policy).bid)
            assert np.all(outcome.price_micros[outcome.position == 0] == 0)
            if pricing is Pricing.FIRST_PRICE:
                shown = outcome.position > 0
                assert np.all(outcome.setter[shown] == Setter.OWN_BID)


def test_the_lowest_bid_is_exact_to_the_micro() -> None:
    rng = np.random.default_rng(8)
    for _ in range(3_000):
        rate, quality = float(rng.uniform(0.0, 1_000.0) ** rng.integers(1, 3) / 1e3), int(rng.integers(-9, 9))
        top = int(rng.integers(0, 2**40))
        target = int(rng.integers(-10, worth(top, rate, quality) + 1))
        if target > worth(top, rate, quality):
            continue
        bid = lowest_bid(target, rate, quality, top)
        assert worth(bid, rate, quality) >= target
        assert bid == 0 or worth(bid - 1, rate, quality) < target
