"""The audit finds what is there to find: best bids to the micro, broken rules by name, charges."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from auction.auction import hold_auction, hold_auctions
from auction.audit import audit, best_responses, broken_rules, check_identities
from auction.audit.audit import regret_row
from auction.audit.feed_rules import feed_of
from auction.audit.identities import breaks
from auction.audit.logged import check_charges, logged_slates
from auction.audit.picture import draw_regret
from auction.audit.stake import stakes
from auction.batch import SlateBatch
from auction.billable import Billable
from auction.errors import InputError
from auction.hold import Hold
from auction.log import DecisionLog, DecisionRecord
from auction.log.events import EventWriter, LoggedEvent
from auction.outcome import Outcome, Setter
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Reserve, Squash
from auction.simulation.sample import sample_slates
from auction.slate import Slate
from tests.auction.golden_case import read_slate
from tests.auction.small_markets import draw_policy, draw_slate

TWO_SLOTS = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=1, max_ads=2, max_share=1.0, ad_last=True),
    exposure=Exposure(examination=[1.0, 0.9]),
)


def looks(*bids: int) -> Slate:
    """Ads 1, 2, ... that pay by the look."""
    ads = [{"ad_id": n, "billable": "IMPRESSION", "bid_micros": b} for n, b in enumerate(bids, start=1)]
    return read_slate({"ads": ads, "organic": []})


def test_the_best_bid_of_a_next_price_auction_is_found_by_hand() -> None:
    """Slots seen 1.0 and .9; bids 100, 90, 10. First at 90 gains 10; second at 10 gains .9 * 90 = 81."""
    found = best_responses(SlateBatch.of([looks(100, 90, 10)]), TWO_SLOTS)
    second = found[Pricing.SECOND_PRICE]
    assert second.utility_micros[0] == pytest.approx(10, abs=1)
    assert second.best_micros[0] == pytest.approx(81, abs=1)
    # The hash may give a tie at 90 to the other ad: then 90 is a bid for the second slot.
    assert second.best_bid_micros[0] <= 90
    assert second.gains.tolist() == [True, False, False]
    assert not found[Pricing.VCG].gains.any()
    first = found[Pricing.FIRST_PRICE]
    assert first.utility_micros.tolist() == [0.0, 0.0, 0.0]
    # At its own bid: the second slot for what the third one bids, a micro more where the tie is lost.
    assert first.best_bid_micros[0] in (10, 11)
    assert first.best_micros[0] == pytest.approx(81, abs=1)


@pytest.mark.parametrize("pricing", Pricing)
def test_no_bid_of_whole_micros_is_better_than_the_best_one_found(pricing: Pricing) -> None:
    """Every bid from 0 to a good deal above the value is tried: small markets billed by the look."""
    rng = np.random.default_rng(41)
    gaining = 0
    for _ in range(12):
        n = int(rng.integers(2, 5))
        slate = looks(*rng.integers(20, 120, n).tolist())
        slate = replace(
            slate,
            seed=int(rng.integers(0, 2**60)),
            organic_utility=rng.uniform(0, 60, 4),
            organic_grade=np.zeros(4, np.int8),
        )
        rules = FeedRules(first_position=1, min_gap=int(rng.integers(1, 3)), max_ads=3, max_share=1.0)
        seen = Exposure(examination=[1.0, 0.8, 0.6, 0.5, 0.3], gap_effect=[0.5, 0.9])
        reserve = Reserve(impression_micros=int(rng.integers(0, 30)))
        policy = AuctionPolicy(pricing=pricing, rules=rules, exposure=seen, reserve=reserve)
        found = best_responses(SlateBatch.of([slate]), policy, [pricing])[pricing]
        competing = np.flatnonzero(slate.bid_micros >= reserve.impression_micros)
        assert len(found.value_micros) == len(competing)
        for at, ad in enumerate(competing):
            value, every = int(slate.bid_micros[ad]), []
            for bid in range(0, 200):
                bids = slate.bid_micros.copy()
                bids[ad] = bid
                every.append(replace(slate, bid_micros=bids))
            outcomes = hold_auctions(SlateBatch.of(every), policy)
            got = [float(o.exposure[ad]) * (value - int(o.price_micros[ad])) for o in outcomes]
            assert found.best_micros[at] == pytest.approx(max(got), abs=1e-9)
            gaining += bool(found.gains[at])
    assert (gaining > 0) == (pricing is not Pricing.VCG)


def test_an_ad_is_asked_without_its_advertisers_other_ads() -> None:
    slate = replace(looks(100, 90, 10), advertiser_id=np.array([1, 1, 2]))
    found = best_responses(SlateBatch.of([slate]), TWO_SLOTS)[Pricing.SECOND_PRICE]
    # Alone against the bid of 10 it has the first slot for what .1 of a look is worth to that one.
    assert found.utility_micros[0] == pytest.approx(90, abs=1)
    assert found.shown.tolist() == [True, False, True]
    # Ad 2 loses to its advertiser's better ad, and would have the same place alone.
    assert found.utility_micros[1] == pytest.approx(80, abs=1)


def test_of_the_losers_the_nearest_are_asked() -> None:
    slate = looks(100, 90, 10, 40, 60, 20, 70, 5)
    found = best_responses(SlateBatch.of([slate, slate]), TWO_SLOTS)[Pricing.VCG]
    assert found.value_micros.tolist() == [100, 90, 40, 60, 20, 70] * 2
    assert found.shown.tolist() == [True, True, False, False, False, False] * 2
    assert found.best_micros[2:6].tolist() == [0.0] * 4


def test_pacing_goals_views_and_squash_leave_vcg_truthful_and_every_identity_whole() -> None:
    rng = np.random.default_rng(42)
    batch = sample_slates(rng, 25, (3, 9), (0, 12))
    goal = np.where(
        (batch.billable == Billable.CLICK) & (rng.random(len(batch.ad_id)) < 0.5),
        np.int8(Billable.CONVERSION),
        batch.billable,
    )
    bids = np.where(goal != batch.billable, batch.bid_micros * 20, batch.bid_micros)
    batch = replace(batch, goal=goal, bid_micros=bids, reserve_micros=batch.bid_micros // 4)
    policy = AuctionPolicy(
        exchange_rate=9_000.0,
        rules=FeedRules(first_position=1, min_gap=2, max_ads=3, max_share=0.6),
        exposure=Exposure(examination=[0.9**s for s in range(15)], gap_effect=[0.5, 0.8]),
        squash=Squash(exponent=0.6, click=0.05, conversion=0.002, view=0.3),
    )
    found = best_responses(batch, policy)
    assert found[Pricing.VCG].shown.sum() > 25
    assert not found[Pricing.VCG].gains.any()
    assert found[Pricing.SECOND_PRICE].gains.any()
    assert [each.first for each in check_identities(batch, policy) if not each.holds] == []


def test_identities_hold_in_small_markets_of_every_kind() -> None:
    rng = np.random.default_rng(43)
    for _ in range(60):
        policy = draw_policy(rng)
        batch = SlateBatch.of([draw_slate(rng, alike=bool(rng.integers(0, 2))) for _ in range(8)])
        for each in check_identities(batch, policy):
            assert each.holds, each.first
            assert each.checked == 24


# What is broken is found, by name.

RULES = FeedRules(first_position=2, min_gap=2, max_ads=2, max_share=0.5, ad_last=False, relevance_floor=0.1)
FEED = AuctionPolicy(rules=RULES, exposure=Exposure(examination=[1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5]))


def four_ads(**columns: object) -> Slate:
    ads = [{"ad_id": n, "bid_micros": 1_000_000 - n} for n in (1, 2, 3, 4)]
    slate = read_slate({"ads": ads, "organic": [{"utility": 0.0}] * 4})
    return replace(slate, **columns)


def shown(*positions: int, seen: tuple[float, ...] = (1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.0)) -> Outcome:
    """An outcome that no auction gave: the ads at these positions."""
    position = np.array(positions)
    exposure = np.array([seen[s - 1] if s else 0.0 for s in positions])
    codes = np.zeros(len(positions), np.int8)
    return Outcome(position, exposure, position * 0, codes, position * 0, codes, 0.0, 0.0, 0.0)


def test_a_feed_that_keeps_the_rules_breaks_none() -> None:
    assert broken_rules(four_ads(), FEED, shown(2, 4, 0, 0)) == []
    assert broken_rules(four_ads(), FEED, shown(0, 0, 0, 0)) == []
    kinds = [what for what, _ in feed_of(four_ads(), shown(2, 4, 0, 0))]
    assert kinds == ["organic", "ad", "organic", "ad", "organic", "organic"]


def test_a_module_that_the_feed_does_not_reach_is_left_out() -> None:
    slate = four_ads(hold=np.array([0, 0, 0, 0, 0, 3, 0, 3], np.int8))
    assert [what for what, _ in feed_of(slate, shown(0, 0, 0, 0))] == ["organic"] * 4
    assert [what for what, _ in feed_of(slate, shown(2, 0, 0, 0))][4:] == ["organic", "module"]
    for positions in ((0, 0, 0, 0), (2, 0, 0, 0), (2, 4, 0, 0)):
        assert broken_rules(slate, FEED, shown(*positions)) == []


@pytest.mark.parametrize(
    ("slate", "rules", "outcome", "says"),
    [
        (four_ads(), {}, shown(1, 0, 0, 0), "first_position 2"),
        (four_ads(), {}, shown(2, 3, 0, 0), "min_gap 2"),
        (four_ads(positions_since_ad=0), {"min_gap": 3}, shown(2, 0, 0, 0), "min_gap 3"),
        (four_ads(), {}, shown(2, 4, 6, 0), "max_ads 2"),
        (four_ads(), {"max_share": 0.25}, shown(2, 4, 0, 0), "max_share 0.25"),
        (
            four_ads(hold=np.full(3, Hold.MODULE, np.int8)),  # which would make two ads of nine items
            {"max_share": 0.25},
            shown(5, 7, 0, 0),
            "max_share 0.25",
        ),
        (four_ads(), {}, shown(5, 0, 0, 0), "ends on an ad"),
        (
            four_ads(hold=np.array([0, 0, 0, 0, 0, 3], np.int8)),  # a module behind the last ad mends nothing
            {},
            shown(5, 0, 0, 0),
            "ends on an ad",
        ),
        (four_ads(), {}, shown(2, 8, 0, 0), "leave a hole"),
        (four_ads(advertiser_id=np.array([7, 7, 8, 9])), {}, shown(2, 4, 0, 0), "one advertiser"),
        (
            four_ads(category_id=np.array([3, 3, 0, 0])),
            {"one_per_category": True},
            shown(2, 4, 0, 0),
            "one category",
        ),
        (four_ads(relevance=np.array([0.05, 1, 1, 1.0])), {}, shown(2, 0, 0, 0), "relevance floor"),
        (
            four_ads(organic_grade=np.array([0, 2, 0, 0], np.int8), tolerance=np.ones(4, np.int8)),
            {},
            shown(2, 0, 0, 0),
            "grade 2",
        ),
        (four_ads(), {"min_organics": 5}, shown(2, 0, 0, 0), "min_organics 5"),
        (
            four_ads(organic_grade=np.array([0, 1, 1, 1], np.int8)),
            {"max_share_of_safe": 0.5},
            shown(2, 0, 0, 0),
            "max_share_of_safe 0.5",
        ),
        (four_ads(), {}, shown(3, 0, 0, 0, seen=(1.0, 1.0, 0.7, 0.8)), "exposure 0.7"),
        (four_ads(hold=np.array([0, 1], np.int8)), {}, shown(2, 0, 0, 0), "held position 2"),
    ],
)
def test_a_broken_rule_is_named(slate: Slate, rules: dict[str, object], outcome: Outcome, says: str) -> None:
    policy = FEED.model_copy(update={"rules": RULES.model_copy(update=rules)})
    said = broken_rules(slate, policy, outcome)
    assert any(says in each for each in said), said


@pytest.mark.parametrize(
    ("tampered", "identity"),
    [
        (lambda o: replace(o, price_micros=o.price_micros + 10**9), "price"),
        (lambda o: replace(o, price_micros=o.price_micros * 0), "price"),
        (lambda o: replace(o, setter=np.full_like(o.setter, Setter.NONE)), "setter"),
        (lambda o: replace(o, setter=np.full_like(o.setter, Setter.OWN_BID)), "setter"),
        (lambda o: replace(o, setter_ad_id=o.setter_ad_id + 777), "setter"),
        (lambda o: replace(o, reason=np.zeros_like(o.reason)), "reason"),
        (lambda o: replace(o, position=o.position[::-1].copy()), "feed"),
        (lambda o: replace(o, value_micros=o.value_micros + 1e-8), "value"),
        (lambda o: replace(o, organic_only_value_micros=o.value_micros + 1.0), "no_ad"),
    ],
)
def test_a_tampered_outcome_breaks_its_identity(
    tampered: Callable[[Outcome], Outcome], identity: str
) -> None:
    policy = FEED.model_copy(update={"reserve": Reserve(click_micros=1_000)})
    batch = SlateBatch.of([four_ads()])
    outcomes = hold_auctions(batch, policy)
    found = stakes(batch, policy, outcomes)
    everything = slice(0, 4)
    assert list(breaks(batch.slate(0), policy, outcomes[0], found, everything)) == []
    broken = {name for name, _ in breaks(batch.slate(0), policy, tampered(outcomes[0]), found, everything)}
    assert identity in broken


# The report.


def test_a_report_sums_up_and_is_json() -> None:
    batch = sample_slates(np.random.default_rng(44), 12, (4, 8), (6, 12))
    policy = AuctionPolicy(
        exchange_rate=9_000.0, exposure=Exposure(examination=[0.95**s for s in range(20)], gap_effect=[0.6])
    )
    seen: list[tuple[int, int]] = []
    report = audit(batch, policy, slots=(1, 3), progress=lambda done, total: seen.append((done, total)))
    assert report.holds
    assert report.vcg_is_truthful
    assert seen[-1] == (24, 24)
    assert [(row.pricing.value, row.slots) for row in report.regret] == [
        (pricing.value, slots) for pricing in Pricing for slots in (1, 3)
    ]
    for row in report.regret:
        assert 0 <= row.ads_gaining <= 1
        if row.pricing is Pricing.VCG:
            assert (row.ads_gaining, row.mean_shade, row.beyond_rounding_micros) == (0.0, None, 0.0)
        if row.pricing is Pricing.FIRST_PRICE:
            # Whoever pays its own bid gains nothing by the truth, and takes something off.
            assert row.gain_of_utility is None
            assert row.ads_gaining > 0.9
            assert row.shaded == 1.0
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["slates"] == 12
    assert {price["rule"] for price in data["shadow_prices"]} >= {"rules.max_ads", "rules.min_gap"}
    assert all(each["broken"] == 0 for each in data["identities"])


def test_a_soft_floor_is_no_claim_of_truth() -> None:
    policy = TWO_SLOTS.model_copy(update={"soft_floor": Reserve(impression_micros=50)})
    report = audit(SlateBatch.of([looks(100, 90, 10)]), policy, slots=(2,))
    assert report.vcg_is_truthful is None


def test_slates_without_an_ad_to_ask_are_audited_too() -> None:
    nothing = read_slate({"ads": [], "organic": [{"utility": 1.0}]})
    report = audit(SlateBatch.of([nothing]), FEED, slots=(1,))
    assert report.holds
    assert report.regret[0].ads == 0
    json.dumps(report.to_json(), allow_nan=False)


def test_unusable_ads_are_not_asked() -> None:
    slate = four_ads(p_click=np.array([np.nan, 0.05, np.inf, 0.05]))
    found = best_responses(SlateBatch.of([slate]), FEED)[Pricing.VCG]
    assert len(found.value_micros) == 2
    assert all(each.holds for each in check_identities(SlateBatch.of([slate]), FEED))


@pytest.mark.parametrize(("slots", "field"), [((0,), "slots[0]"), ((2, 33), "slots[1]")])
def test_slots_out_of_range_are_refused(slots: tuple[int, ...], field: str) -> None:
    with pytest.raises(InputError) as refused:
        audit(SlateBatch.of([looks(5)]), TWO_SLOTS, slots=slots)
    assert refused.value.field == field


def test_an_audit_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="slate"):
        audit(SlateBatch.of([]), TWO_SLOTS)


def test_a_gain_that_is_only_rounding_does_not_count() -> None:
    found = best_responses(SlateBatch.of([looks(100, 90, 10)]), TWO_SLOTS)[Pricing.VCG]
    barely = replace(found, best_micros=found.utility_micros + 0.99 * found.rounding_micros)
    more = replace(found, best_micros=found.utility_micros + found.rounding_micros + 0.01)
    assert regret_row(Pricing.VCG, 2, [barely]).ads_gaining == 0.0
    assert regret_row(Pricing.VCG, 2, [more]).ads_gaining == 1.0
    assert regret_row(Pricing.VCG, 2, [more]).beyond_rounding_micros == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["regret.png", "regret.svg"])
def test_the_picture_is_the_same_file_for_the_same_report(name: str, tmp_path: Path) -> None:
    report = audit(SlateBatch.of([looks(100, 90, 10)]), TWO_SLOTS, slots=(1, 2))
    first = draw_regret(report, tmp_path / name).read_bytes()
    assert first == draw_regret(report, tmp_path / name).read_bytes()
    assert len(first) > 5_000


@pytest.mark.parametrize("name", ["regret.pdf", "no/such/folder/regret.png"])
def test_a_picture_that_cannot_be_written_is_refused(name: str, tmp_path: Path) -> None:
    report = audit(SlateBatch.of([looks(5)]), TWO_SLOTS, slots=(1,))
    with pytest.raises(InputError, match="plot"):
        draw_regret(report, tmp_path / name)


# A log's slates and charges.


def test_slates_of_a_log_are_drawn_from_the_held_ones(
    make_records: Callable[..., list[DecisionRecord]],
    write_log: Callable[..., str],
    policy: AuctionPolicy,
) -> None:
    records = make_records(40)
    log = DecisionLog(write_log(records))
    batch, own = logged_slates(log, 15, seed=3)
    assert own == policy
    assert len(batch) == 15
    assert len(set(batch.seed.tolist())) == 15
    assert set(batch.seed.tolist()) <= {record.slate.seed for record in records}
    again, _ = logged_slates(log, 15, seed=3)
    np.testing.assert_array_equal(batch.seed, again.seed)
    everything, _ = logged_slates(log, 1_000)
    assert sorted(everything.seed.tolist()) == sorted(record.slate.seed for record in records)


def test_charges_above_a_price_or_twice_are_found(
    make_records: Callable[..., list[DecisionRecord]], write_log: Callable[..., str]
) -> None:
    records = [record for record in make_records(40) if record.placement_id]
    log = DecisionLog(write_log(records))
    prices = {}
    for record in records:
        order = np.argsort(record.outcome.position)[-len(record.placement_id) :]
        for name, ad in zip(record.placement_id, order, strict=True):
            prices[name] = int(record.outcome.price_micros[ad])
    names = sorted(name for name, price in prices.items() if price > 1)[:4]

    def charged(event: str, name: str, micros: int) -> LoggedEvent:
        return LoggedEvent(
            event, name, "r", 1, 1, "click", datetime(2026, 3, 1, tzinfo=UTC), 0, micros, "charged"
        )

    within = [charged("a", names[0], prices[names[0]]), charged("b", names[1], prices[names[1]] - 1)]
    beside = [charged("c", "no such placement", 5), charged("d", names[0], 0)]
    EventWriter(log.folder, "fine").write([*within, *beside])
    fine = check_charges(log)
    assert (fine.checked, fine.broken) == (2, 0)
    EventWriter(log.folder, "wrong").write(
        [charged("e", names[2], prices[names[2]] + 1), charged("f", names[1], 1)]
    )
    wrong = check_charges(log)
    assert wrong.broken == 2
    assert any(names[2] in said for said in wrong.first)


def test_the_auction_shown_by_hold_auction_is_the_one_that_is_audited() -> None:
    outcome = hold_auction(looks(100, 90, 10), TWO_SLOTS)
    found = best_responses(SlateBatch.of([looks(100, 90, 10)]), TWO_SLOTS)[Pricing.SECOND_PRICE]
    expected = (np.array([100, 90, 10]) - outcome.price_micros) * outcome.exposure
    np.testing.assert_allclose(found.utility_micros, expected)
