"""Whatever number comes to the door: a typed error that names the field, or the documented outcome."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auction.auction import hold_auction
from auction.batch import OPTIONAL, column_of
from auction.bid import BID_LIMIT
from auction.errors import InputError
from auction.outcome import Outcome
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Quality, Reserve
from auction.reason import Reason
from auction.slate import AD_COLUMNS, ORGANIC_COLUMNS, Slate
from tests.auction.golden_case import read_slate

FEED = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=2, max_ads=3, max_share=1.0),
    exposure=Exposure(examination=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], gap_effect=[0.5, 0.8]),
    reserve=Reserve(click_micros=10_000),
    quality=Quality(save_micros=1_000.0, click_micros=500.0, hide_micros=2_000.0),
)
PLAIN = FEED.model_copy(
    update={
        "rules": FeedRules(first_position=1, min_gap=1, max_ads=2, max_share=1.0, ad_last=True),
        "exposure": Exposure(examination=[1.0, 0.9, 0.8]),
    }
)
"""Without organic items: the short cut that decides plain position auctions."""

MARKETS = pytest.mark.parametrize(("policy", "organics"), [(FEED, 4), (PLAIN, 0)], ids=["feed", "plain"])
SOME = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

PROBABILITIES = ("p_click", "p_conversion_given_click", "p_click_conversion", "p_view", "p_save", "p_hide")
BAD = {
    "nan": np.nan,
    "+inf": np.inf,
    "-inf": -np.inf,
    "1+eps": np.nextafter(1.0, 2.0),
    "negative": -np.nextafter(0.0, 1.0),
    "huge": 1e308,
}
"""No probability, and no multiplier."""


def slate_of(organics: int = 4, **columns: object) -> Slate:
    """Three click ads, every column given."""
    ads = [{"ad_id": n, "bid_micros": n * 500_000} for n in (1, 2, 3)]
    slate = read_slate({"ads": ads, "organic": [{"utility": 5_000.0}] * organics})
    whole = {name: column_of(slate, name) for name in AD_COLUMNS}
    return replace(slate, **{**whole, **columns})


def with_value(name: str, at: int, value: object, organics: int = 4) -> Slate:
    slate = slate_of(organics)
    column = column_of(slate, name).copy()
    column[at] = value
    return replace(slate, **{name: column})


def assert_sound(slate: Slate, outcome: Outcome) -> None:
    """Nothing in it is not a number, and no price is out of bounds."""
    for field in fields(Outcome):
        assert np.all(np.isfinite(np.asarray(getattr(outcome, field.name), np.float64))), field.name
    assert np.all(outcome.price_micros >= 0)
    assert np.all(outcome.price_micros <= slate.bid_micros)
    assert np.all((outcome.position > 0) == (outcome.reason == Reason.SHOWN))
    assert np.all((outcome.exposure >= 0) & (outcome.exposure <= 1))
    positions = outcome.position[outcome.position > 0]
    assert len(set(positions.tolist())) == len(positions)


def assert_removed_alone(slate: Slate, ad: int, policy: AuctionPolicy, reason: Reason) -> None:
    """That ad leaves with the reason, and the others' outcome is that of a slate without it."""
    outcome = hold_auction(slate, policy)
    assert_sound(slate, outcome)
    assert outcome.reason[ad] == reason
    keep = np.arange(len(slate.ad_id)) != ad
    rest = hold_auction(replace(slate, **{name: column_of(slate, name)[keep] for name in AD_COLUMNS}), policy)
    for name in ("position", "exposure", "price_micros", "setter", "setter_ad_id", "reason"):
        np.testing.assert_array_equal(getattr(outcome, name)[keep], getattr(rest, name), err_msg=name)
    assert outcome.value_micros == rest.value_micros


def refused(slate: Slate, policy: AuctionPolicy = FEED) -> InputError:
    with pytest.raises(InputError) as caught:
        hold_auction(slate, policy)
    assert caught.value.fix
    return caught.value


# Floats.


@MARKETS
@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_probability_removes_that_ad_alone(
    name: str, bad: str, policy: AuctionPolicy, organics: int
) -> None:
    assert_removed_alone(with_value(name, 1, BAD[bad], organics), 1, policy, Reason.INVALID)


@MARKETS
@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("limit", [0.0, -0.0, 5e-324, 1.0])
def test_the_ends_of_a_probability_are_usable(
    name: str, limit: float, policy: AuctionPolicy, organics: int
) -> None:
    slate = with_value(name, 1, limit, organics)
    outcome = hold_auction(slate, policy)
    assert_sound(slate, outcome)
    assert outcome.reason[1] != Reason.INVALID


@MARKETS
@pytest.mark.parametrize("name", PROBABILITIES)
def test_the_sign_of_a_zero_changes_nothing(name: str, policy: AuctionPolicy, organics: int) -> None:
    plus, minus = (hold_auction(with_value(name, 2, z, organics), policy) for z in (0.0, -0.0))
    for field in fields(Outcome):
        np.testing.assert_array_equal(getattr(plus, field.name), getattr(minus, field.name))


@MARKETS
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_relevance_that_is_no_number_removes_that_ad_alone(
    bad: float, policy: AuctionPolicy, organics: int
) -> None:
    assert_removed_alone(with_value("relevance", 1, bad, organics), 1, policy, Reason.INVALID)


@MARKETS
@pytest.mark.parametrize(
    ("value", "reason"),
    [(-0.0, None), (1e308, None), (-1e308, Reason.RELEVANCE), (-5e-324, Reason.RELEVANCE)],
)
def test_any_finite_relevance_is_compared_with_the_floor(
    value: float, reason: Reason | None, policy: AuctionPolicy, organics: int
) -> None:
    slate = with_value("relevance", 1, value, organics)
    if reason is not None:
        assert_removed_alone(slate, 1, policy, reason)
        return
    outcome = hold_auction(slate, policy)
    assert_sound(slate, outcome)
    assert outcome.reason[1] not in (Reason.INVALID, Reason.RELEVANCE)


@MARKETS
@pytest.mark.parametrize("value", [*BAD.values(), 0.0, -0.0])
def test_a_multiplier_outside_0_to_1_is_refused_by_name(
    value: float, policy: AuctionPolicy, organics: int
) -> None:
    error = refused(with_value("multiplier", 1, value, organics), policy)
    assert error.field == "multiplier[1]"


@MARKETS
def test_the_least_multiplier_bids_nothing(policy: AuctionPolicy, organics: int) -> None:
    assert_removed_alone(with_value("multiplier", 1, 5e-324, organics), 1, policy, Reason.BELOW_RESERVE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, -1e308, 2.0**36])
def test_an_organic_utility_that_is_no_worth_is_refused_by_name(value: float) -> None:
    assert refused(with_value("organic_utility", 2, value)).field == "organic_utility[2]"


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, np.nextafter(1.0, 2.0), -6e7, 6e7])
def test_any_other_organic_utility_is_a_worth(value: float) -> None:
    slate = with_value("organic_utility", 2, value)
    assert_sound(slate, hold_auction(slate, FEED))


# Money and codes.


@MARKETS
@pytest.mark.parametrize("bid", [-1, -(2**63)])
def test_a_bid_below_nothing_is_refused_by_name(bid: int, policy: AuctionPolicy, organics: int) -> None:
    error = refused(with_value("bid_micros", 1, bid, organics), policy)
    assert (error.field, error.value) == ("bid_micros[1]", bid)


@MARKETS
@pytest.mark.parametrize("bid", [BID_LIMIT, BID_LIMIT + 1, 2**63 - 1])
def test_a_bid_worth_more_than_any_look_removes_that_ad_alone(
    bid: int, policy: AuctionPolicy, organics: int
) -> None:
    assert_removed_alone(with_value("bid_micros", 1, bid, organics), 1, policy, Reason.INVALID)


@MARKETS
def test_the_largest_bid_takes_part_where_its_event_is_rare_enough(
    policy: AuctionPolicy, organics: int
) -> None:
    """2**53 micros at 1e-9 a look are 9.0 units of currency a look; a micro more is no bid."""
    slate = with_value("p_click", 1, 1e-9, organics)
    slate.bid_micros[1] = BID_LIMIT
    outcome = hold_auction(slate, policy)
    assert_sound(slate, outcome)
    assert outcome.position[1] > 0
    slate.bid_micros[1] = BID_LIMIT + 1
    assert_removed_alone(slate, 1, policy, Reason.INVALID)


@MARKETS
def test_a_bid_of_nothing_is_a_bid(policy: AuctionPolicy, organics: int) -> None:
    slate = with_value("bid_micros", 1, 0, organics)
    assert_removed_alone(slate, 1, policy, Reason.BELOW_RESERVE)
    free = policy.model_copy(update={"reserve": Reserve()})
    outcome = hold_auction(slate, free)
    assert_sound(slate, outcome)
    assert outcome.reason[1] != Reason.BELOW_RESERVE


@MARKETS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("billable", 4),
        ("billable", -1),
        ("billable", 127),
        ("goal", 4),
        ("goal", -128),
        ("tolerance", 3),
        ("tolerance", -1),
        ("reserve_micros", -1),
        ("reserve_micros", BID_LIMIT + 1),
        ("ad_id", 1),
    ],
)
def test_a_code_or_an_amount_that_is_none_is_refused_by_name(
    name: str, value: int, policy: AuctionPolicy, organics: int
) -> None:
    assert refused(with_value(name, 2, value, organics), policy).field == f"{name}[2]"


@pytest.mark.parametrize("value", [-1, 3, 127, -128])
def test_an_organic_grade_that_is_none_is_refused_by_name(value: int) -> None:
    assert refused(with_value("organic_grade", 3, value)).field == "organic_grade[3]"


@MARKETS
@pytest.mark.parametrize("name", ["ad_id", "advertiser_id", "campaign_id", "category_id"])
@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, 2**53 + 1, 0])
def test_any_whole_number_is_an_id(name: str, value: int, policy: AuctionPolicy, organics: int) -> None:
    slate = with_value(name, 1, value, organics)
    assert_sound(slate, hold_auction(slate, policy))


@MARKETS
def test_the_highest_reserve_turns_away_and_never_overflows(policy: AuctionPolicy, organics: int) -> None:
    slate = with_value("reserve_micros", 1, BID_LIMIT, organics)
    assert_removed_alone(slate, 1, policy, Reason.BELOW_RESERVE)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_a_seed_is_any_64_bits(seed: int) -> None:
    assert_sound(slate_of(), hold_auction(slate_of(seed=seed), FEED))


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("seed", 2**64), ("positions_since_ad", -2), ("positions_since_ad", 2**31)],
)
def test_a_seed_or_a_gap_out_of_range_is_refused_by_name(name: str, value: int) -> None:
    assert refused(slate_of(**{name: value})).field == name


@pytest.mark.parametrize("name", ["seed", "positions_since_ad"])
@pytest.mark.parametrize("value", ["a", 1.5, None, np.float64(2.0)])
def test_a_seed_or_a_gap_that_is_no_whole_number_is_refused_by_name(name: str, value: object) -> None:
    assert refused(slate_of(**{name: value})).field == name


@pytest.mark.parametrize("since", [-1, 0, 1, 2**31 - 1])
def test_any_count_of_positions_may_have_passed(since: int) -> None:
    assert_sound(slate_of(), hold_auction(slate_of(positions_since_ad=since), FEED))


# Columns.


@pytest.mark.parametrize("name", [*AD_COLUMNS, *ORGANIC_COLUMNS])
def test_a_column_that_is_no_column_is_refused_by_name(name: str) -> None:
    column = column_of(slate_of(), name)
    kind = column.dtype.kind
    for wrong in (
        column.reshape(1, -1),
        column.astype(str),
        column.astype(object),
        column.astype(complex),
        column.astype(bool),
        column.astype(float) if kind == "i" else column.astype("datetime64[s]"),
    ):
        assert refused(slate_of(**{name: wrong})).field == name


@pytest.mark.parametrize("name", [*AD_COLUMNS, *ORGANIC_COLUMNS])
@pytest.mark.parametrize("wrong", [None, 5, np.array(5)], ids=["none", "a number", "an array of none"])
def test_a_column_that_must_be_given_is_refused_by_name(name: str, wrong: object) -> None:
    if name not in OPTIONAL:
        slate = replace(slate_of(), **dict.fromkeys(OPTIONAL), **{name: wrong})
        assert refused(slate).field == name


@pytest.mark.parametrize("name", [*AD_COLUMNS, *ORGANIC_COLUMNS])
def test_a_column_of_another_length_is_refused_by_name(name: str) -> None:
    column = column_of(slate_of(), name)
    leaders = {"ad_id": "advertiser_id", "organic_utility": "organic_grade"}
    for wrong in (column[:-1], np.concatenate([column, column[:1]])):
        assert refused(slate_of(**{name: wrong})).field == leaders.get(name, name)


# The policy.


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-3])
def test_a_tiny_exchange_rate_makes_organic_items_worth_nothing(rate: float) -> None:
    slate = slate_of(organic_utility=np.full(4, 0.001))
    outcome = hold_auction(slate, FEED.model_copy(update={"exchange_rate": rate}))
    assert_sound(slate, outcome)
    assert outcome.organic_value_micros == 0.0
    assert outcome.position.max() > 0


@pytest.mark.parametrize("rate", [1e6, 1e300, 1.7e308])
def test_a_huge_exchange_rate_refuses_the_item_that_it_makes_too_much_of(rate: float) -> None:
    policy = FEED.model_copy(update={"exchange_rate": rate})
    slate = slate_of(organic_utility=np.array([0.0, 0.0, 100.0, 1.0]))
    assert refused(slate, policy).field == "organic_utility[2]"
    nothing = slate_of(organic_utility=np.zeros(4))
    assert_sound(nothing, hold_auction(nothing, policy))


@pytest.mark.parametrize("at", [1, 5])
def test_examination_that_increases_is_refused_by_name_when_the_policy_loads(at: int, tmp_path: Path) -> None:
    seen = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    seen[at] = float(np.nextafter(seen[at - 1], 1.0))
    (tmp_path / "policy.yaml").write_text(f"exposure: {{examination: {seen}}}")
    with pytest.raises(InputError, match=rf"exposure.examination.*\[{at}\].*let it not increase"):
        AuctionPolicy.load(tmp_path / "policy.yaml")


@pytest.mark.parametrize(
    "seen",
    [[0.0], [1.0, 0.0, 0.0], [5e-324] * 6, [1e-6] * 6, [1.0] * 256],
    ids=["0", "1", "least", "1e-6", "256"],
)
@pytest.mark.parametrize("effect", [[], [0.0] * 16, [1.0] * 16, [5e-324]])
def test_any_examination_that_does_not_increase_is_decided(seen: list[float], effect: list[float]) -> None:
    policy = FEED.model_copy(update={"exposure": Exposure(examination=seen, gap_effect=effect)})
    for pricing in Pricing:
        outcome = hold_auction(slate_of(), policy.model_copy(update={"pricing": pricing}))
        assert_sound(slate_of(), outcome)
        if max(seen) < 1e-5:
            assert not outcome.position.any()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("exchange_rate: 0", "exchange_rate"),
        ("exchange_rate: -1.0", "exchange_rate"),
        ("exchange_rate: .inf", "exchange_rate"),
        ("exchange_rate: .nan", "exchange_rate"),
        ("pricing: third_price", "pricing"),
        ("rules: {min_gap: 0}", "rules.min_gap"),
        ("rules: {min_gap: -3}", "rules.min_gap"),
        ("rules: {min_gap: 1.5}", "rules.min_gap"),
        ("rules: {min_gap: 4, wanted_gap: 3}", "rules"),
        ("rules: {first_position: 0}", "rules.first_position"),
        ("rules: {max_ads: -1}", "rules.max_ads"),
        ("rules: {max_ads: 33}", "rules.max_ads"),
        ("rules: {max_share: 1.0000001}", "rules.max_share"),
        ("rules: {max_share: .nan}", "rules.max_share"),
        ("rules: {max_share_of_safe: -0.1}", "rules.max_share_of_safe"),
        ("rules: {min_organics: -1}", "rules.min_organics"),
        ("rules: {relevance_floor: .nan}", "rules.relevance_floor"),
        ("rules: {relevance_floor: -1.5}", "rules.relevance_floor"),
        ("rules: {mingap: 2}", "min_gap"),
        ("exposure: {examination: []}", "exposure.examination"),
        ("exposure: {examination: [1.1]}", "exposure.examination.0"),
        ("exposure: {examination: [1.0, .nan]}", "exposure.examination.1"),
        ("exposure: {examination: [1.0], gap_effect: [-0.1]}", "exposure.gap_effect.0"),
        ("reserve: {click_micros: -1}", "reserve.click_micros"),
        ("reserve: {click_micros: 1.5}", "reserve.click_micros"),
        (f"reserve: {{click_micros: {2**53 + 1}}}", "reserve.click_micros"),
        ("soft_floor: {click_micros: 5}\nreserve: {click_micros: 9}", "soft_floor"),
        ("quality: {hide_micros: -1}", "quality.hide_micros"),
        ("quality: {save_micros: .inf}", "quality.save_micros"),
        ("squash: {exponent: 0}", "squash.exponent"),
        ("squash: {exponent: .nan}", "squash.exponent"),
        ("squash: {click: 0}", "squash.click"),
    ],
)
def test_a_policy_file_with_a_value_that_cannot_be_meant_is_refused_by_name(
    text: str, names: str, tmp_path: Path
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        AuctionPolicy.load(path)
    assert names in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["rules: 2026-13-01", "rules: " + "9" * 5000, "rules: " + "[" * 20_000, "\xff"]
)
def test_a_policy_file_that_is_no_yaml_is_refused_in_a_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="give valid YAML") as caught:
        AuctionPolicy.load(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_key_that_stands_twice_is_refused_and_a_merged_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("rules: {max_ads: 1, max_ads: 2}\n", encoding="utf-8")
    with pytest.raises(InputError, match="'max_ads' stands twice"):
        AuctionPolicy.load(path)
    path.write_text("rules: &r {max_ads: 1}\nrules: *r\n", encoding="utf-8")
    with pytest.raises(InputError, match="'rules' stands twice"):
        AuctionPolicy.load(path)
    path.write_text(
        "reserve: &r {click_micros: 5}\nsoft_floor: {<<: *r, click_micros: 7}\n", encoding="utf-8"
    )
    assert AuctionPolicy.load(path).reserve.click_micros == 5


def test_anchors_that_name_more_than_memory_holds_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    lines = ["- &l0 [x, x]", *(f"- &l{k} [*l{k - 1}, *l{k - 1}]" for k in range(1, 60))]
    path.write_text("\n".join(["rules:", *lines]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="rules") as caught:
        AuctionPolicy.load(path)
    assert len(str(caught.value)) < 4000


def test_quality_beyond_any_worth_removes_the_ad_alone() -> None:
    """Saves at 1e300 micros each are beyond every limit; an ad without saves takes part."""
    policy = FEED.model_copy(update={"quality": Quality(save_micros=1e300)})
    slate = slate_of(p_save=np.array([0.0, 0.5, 0.0]))
    assert_removed_alone(slate, 1, policy, Reason.INVALID)


# Anything at all.

anything = st.one_of(
    st.floats(), st.floats(0.0, 1.0), st.sampled_from([*BAD.values(), -0.0, 0.0, 1.0, 5e-324])
)
whole = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 3), st.integers(0, 2**54))
small = st.one_of(st.integers(-128, 127), st.integers(0, 2))


@given(data=st.data(), organics=st.integers(0, 5), pricing=st.sampled_from(Pricing))
@SOME
def test_any_numbers_at_all_are_refused_by_name_or_decided(
    data: st.DataObject, organics: int, pricing: Pricing
) -> None:
    slate = slate_of(organics)
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from([*AD_COLUMNS, *(ORGANIC_COLUMNS if organics else ())]))
        column = column_of(slate, name).copy()
        kind = column.dtype
        drawn = anything if kind == np.float64 else small if kind == np.int8 else whole
        column[data.draw(st.integers(0, len(column) - 1))] = data.draw(drawn)
        slate = replace(slate, **{name: column})
    policy = (FEED if organics else PLAIN).model_copy(update={"pricing": pricing})
    outcome, field = None, None
    try:
        outcome = hold_auction(slate, policy)
    except InputError as error:
        field = error.field.split("[")[0]
    if outcome is None:
        assert field in (*AD_COLUMNS, *ORGANIC_COLUMNS)
        return
    odd = slate.goal != slate.billable
    # A bid for another event than the billable one may come to more than it says per billable event.
    assert_sound(replace(slate, bid_micros=np.where(odd, BID_LIMIT, slate.bid_micros)), outcome)
