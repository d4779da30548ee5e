"""One decision: every candidate accounted for, the organic feed never harmed, the record replayable."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from adsrank.candidates import Candidates
from adsrank.catalog.catalog import Catalog
from adsrank.catalog.file import parse_entity
from adsrank.catalog.freezer import freeze_catalog
from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.engine import Engine
from adsrank.errors import SpaceMismatch
from adsrank.features.columns import request_columns
from adsrank.passage import Passage
from adsrank.release import Release
from adsrank.request import AdRequest, HeldAs
from adsrank.retrieval.retriever import Retriever
from adsrank.settings import EngineSettings
from adsrank.stage import run_stage
from adsrank.stages.bid import Bid
from adsrank.stages.prerank import Prerank
from adsrank.training import TrainConfig, train
from auction.auction import hold_auction
from auction.billable import Billable, Grade
from auction.budget import Lease, LeasedBudgets, OpenBudgets
from auction.frequency import FrequencyCounter
from auction.hold import Hold
from auction.log import DecisionLog, LogWriter
from auction.policy import AuctionPolicy, FeedRules, Quality, Reserve
from auction.reason import Reason
from auction.warm import warm

SEED = 3
PATIENT = EngineSettings(rank=60, deadline_ms=10_000)
POLICY = AuctionPolicy(
    exchange_rate=300_000.0,
    rules=FeedRules(min_gap=4, max_ads=5, max_share=0.2, relevance_floor=0.1),
    reserve=Reserve(impression_micros=500, click_micros=50_000),
    quality=Quality(save_micros=20_000, hide_micros=100_000),
)


@pytest.fixture(scope="module")
def world():
    return generate(SEED, users=200, pins=1000)


@pytest.fixture(scope="module")
def release(world) -> Release:
    warm()  # in a fresh checkout the kernels compile for longer than any deadline
    opens = datetime.fromtimestamp(world.epoch, UTC)
    rows = advertise(world, SEED, advertisers=40, ads=500, start=opens)
    table = history(Truth(world, rows, SEED), SEED, opens, impressions=12_000)
    bundle = train(table, config=TrainConfig(epochs=1, embedding_space=world.embedding_space)).bundle
    snapshot = freeze_catalog(Catalog.of([parse_entity(row) for row in rows]))
    return Release(POLICY, bundle, snapshot, Retriever.of(snapshot))


@pytest.fixture(scope="module")
def stream(world):
    return list(requests(world, SEED + 1, datetime.fromtimestamp(world.epoch, UTC), 24.0, 60))


@pytest.fixture
def engine(release) -> Engine:
    return Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)


@pytest.fixture(scope="module")
def decisions(release, stream):
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)
    return [engine.decide(request) for request in stream]


def organic(decision) -> list[str]:
    return [entry.organic_id for entry in decision.feed if entry.ad is None]


def test_the_stages_are_those_of_the_design_in_order(engine):
    names = [stage.name for stage in engine.stages]
    assert names == ["retrieve", "filter", "prerank", "rank", "calibrate", "bid", "auction", "reserve"]


def test_ads_are_shown_and_every_organic_item_stays_in_its_order(decisions, stream):
    assert sum(len(decision.ads) for decision in decisions) > len(decisions)
    for decision, request in zip(decisions, stream, strict=True):
        assert decision.degraded is None
        assert organic(decision) == [item.id for item in request.organic]
        assert [entry.position for entry in decision.feed] == list(range(1, len(decision.feed) + 1))


def test_every_candidate_is_shown_or_left_for_a_reason(decisions):
    for decision in decisions:
        retrieved = decision.stages[0].went
        before = sum(len(departure.ad_id) for departure in decision.record.departures)
        assert retrieved == before + len(decision.record.slate.ad_id)
        reasons = decision.record.outcome.reason
        shown = decision.record.outcome.position > 0
        assert np.array_equal(reasons == Reason.SHOWN, shown)


def test_stage_reports_account_for_everyone_from_retrieval_to_the_feed(decisions):
    for decision in decisions:
        for stage in decision.stages:
            if stage.name not in ("retrieve", "reserve"):
                assert stage.came - stage.went == sum(stage.left.values()), stage.name
        kept_out = sum(decision.stages[0].left.values())
        assert sum(decision.reasons().values()) == kept_out + decision.stages[0].went - len(decision.ads)


def test_ads_that_targeting_and_status_keep_out_are_counted_by_reason(decisions):
    total: dict[Reason, int] = {}
    for decision in decisions:
        for reason, count in decision.stages[0].left.items():
            total[reason] = total.get(reason, 0) + count
    assert {Reason.STATUS, Reason.TARGETING, Reason.POLICY} <= set(total)
    assert min(total.values()) > 0


def test_the_record_alone_decides_the_same_again(decisions, release):
    for decision in decisions:
        again = hold_auction(decision.record.slate, release.resolved_policy)
        logged = decision.record.outcome
        for name in ("position", "exposure", "price_micros", "setter", "setter_ad_id", "reason"):
            assert np.array_equal(getattr(again, name), getattr(logged, name)), name
        assert again.value_micros == logged.value_micros
        decision.record.check()


def test_the_same_request_gets_the_same_answer_bit_for_bit(engine, decisions, stream):
    for request, before in zip(stream[:10], decisions[:10], strict=True):
        again = engine.decide(request)
        assert again.feed == before.feed
        assert np.array_equal(again.record.slate.p_click, before.record.slate.p_click)


def test_prices_are_between_reserve_and_bid(decisions, release):
    bid = dict(zip(release.snapshot.ad_id.tolist(), release.snapshot.bid_micros.tolist(), strict=True))
    for decision in decisions:
        for ad in decision.ads:
            floor = {Billable.IMPRESSION: 500, Billable.CLICK: 50_000, Billable.CONVERSION: 0}[ad.billable]
            assert floor <= ad.price_micros <= bid[ad.ad_id]
            assert ad.expected_charge_micros >= 1


@pytest.mark.parametrize("at", range(8))
def test_a_fault_in_any_stage_gives_the_organic_feed_and_names_the_stage(release, stream, at):
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)
    stage = engine.stages[at]

    class Broken:
        name = stage.name

        def enabled(self, passage) -> bool:
            return True

        def run(self, passage) -> None:
            raise RuntimeError("the disk is on fire")

    engine.stages[at] = Broken()
    decision = engine.decide(stream[0])
    assert decision.degraded == f"fault:{stage.name}"
    assert decision.ads == []
    assert organic(decision) == [item.id for item in stream[0].organic]
    decision.record.check()


def test_after_the_deadline_the_organic_feed_is_answered(release, stream):
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0].model_copy(update={"deadline_ms": 1}))
    assert decision.degraded == "deadline"
    assert organic(decision) == [item.id for item in stream[0].organic]


def test_what_was_in_the_running_at_the_deadline_left_for_it(release, stream):
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)

    class Slow:
        name = "rank"

        def enabled(self, passage) -> bool:
            return True

        def run(self, passage) -> None:
            passage.deadline = 0.0

    engine.stages[3] = Slow()
    decision = engine.decide(stream[0])
    assert decision.degraded == "deadline"
    assert decision.reasons()[Reason.DEADLINE] == PATIENT.rank
    decision.record.check()


def test_a_fault_after_money_was_held_gives_it_back(release, stream):
    budgets = LeasedBudgets()
    budgets.renew([Lease(campaign, 10**9) for campaign in release.snapshot.campaigns.campaign_id.tolist()])

    class Broken(FrequencyCounter):
        def note(self, *args, **kwargs) -> None:
            raise RuntimeError("no memory")

    decision = Engine(release, budgets, Broken(), PATIENT).decide(stream[0])
    assert decision.degraded == "fault:reserve"
    assert budgets.pending() == []


def test_a_withdrawn_decision_holds_nothing(release, stream):
    budgets = LeasedBudgets()
    budgets.renew([Lease(campaign, 10**9) for campaign in release.snapshot.campaigns.campaign_id.tolist()])
    engine = Engine(release, budgets, FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0])
    assert len(budgets.pending()) == len(decision.ads) > 0
    engine.withdraw(decision)
    assert budgets.pending() == []


def test_a_request_asked_again_counts_once_for_caps(release, stream):
    frequency = FrequencyCounter()
    engine = Engine(release, OpenBudgets(), frequency, PATIENT)
    first = engine.decide(stream[0])
    noted = len(frequency)
    assert noted == len(first.ads) > 0
    engine.stages[-1].frequency = frequency
    again = engine.decide(stream[0])
    same = {ad.placement_id for ad in first.ads} & {ad.placement_id for ad in again.ads}
    assert len(frequency) == noted + len(again.ads) - len(same)
    assert same


def test_utilities_that_no_policy_can_weigh_still_get_the_organic_feed(engine, stream):
    items = [item.model_copy(update={"utility": 1e9}) for item in stream[0].organic]
    decision = engine.decide(stream[0].model_copy(update={"organic": items}))
    assert decision.degraded == "fault:auction"
    assert organic(decision) == [item.id for item in items]
    assert not decision.record.held


def test_a_relevance_floor_does_not_judge_what_has_no_vector(engine, stream):
    interested = [request for request in stream if request.user_interests]
    assert interested
    shown = [engine.decide(request.model_copy(update={"intents": []})) for request in interested[:10]]
    assert sum(len(decision.ads) for decision in shown) > 0
    assert all(Reason.RELEVANCE not in decision.reasons() for decision in shown)


def test_a_free_slot_holds_the_least_amount_and_is_shown(release, stream):
    nothing = Reserve()
    free = POLICY.model_copy(update={"exchange_rate": 1e-9, "reserve": nothing, "quality": Quality()})
    budgets = LeasedBudgets()
    budgets.renew([Lease(campaign, 10**9) for campaign in release.snapshot.campaigns.campaign_id.tolist()])
    engine = Engine(replace(release, policy=free), budgets, FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0])
    assert decision.degraded is None
    assert all(each.amount_micros >= 1 for each in budgets.pending())


def test_the_resolved_policy_has_a_hash_of_its_own(release):
    unresolved = release.policy.hash
    assert release.resolved_policy.hash != unresolved
    same = AuctionPolicy.model_validate(release.resolved_policy.model_dump())
    assert release.resolved_policy.hash == same.hash


def test_an_empty_organic_list_gets_an_empty_feed(engine, stream):
    decision = engine.decide(stream[0].model_copy(update={"organic": []}))
    assert decision.feed == []
    assert decision.degraded is None


def test_a_campaign_without_money_is_not_shown_and_says_budget(release, stream):
    poor = LeasedBudgets()
    engine = Engine(release, poor, FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0])
    assert decision.ads == []
    assert decision.reasons()[Reason.BUDGET] == decision.stages[0].went


def test_placed_ads_hold_their_expected_charge(release, stream):
    budgets = LeasedBudgets()
    campaigns = release.snapshot.campaigns.campaign_id.tolist()
    budgets.renew([Lease(campaign, 10**9) for campaign in campaigns])
    engine = Engine(release, budgets, FrequencyCounter(), PATIENT)
    ads = [ad for request in stream[:5] for ad in engine.decide(request).ads]
    held = {each.placement_id: each.amount_micros for each in budgets.pending()}
    assert held == {ad.placement_id: ad.expected_charge_micros for ad in ads}


def test_a_capped_campaign_stops_after_its_cap(release, stream):
    capped = release.snapshot.campaigns.cap_max > 0
    assert capped.any()
    frequency = FrequencyCounter()
    engine = Engine(release, OpenBudgets(), frequency, PATIENT)
    request = stream[0]
    for campaign in release.snapshot.campaigns.campaign_id.tolist():
        for event in (Billable.IMPRESSION, Billable.CLICK):
            for _ in range(20):
                frequency.note(request.user_id, campaign, request.time.timestamp(), event)
    shown = {ad.campaign_id for ad in engine.decide(request).ads}
    assert shown
    assert not shown & set(release.snapshot.campaigns.campaign_id[capped].tolist())


def test_without_personalization_nothing_of_the_user_is_scored_or_logged(engine, stream):
    plain = stream[0].model_copy(update={"personalized": False})
    other = plain.model_copy(update={"user_interests": [], "recent_interests": [], "user_id": "someone"})
    first, second = engine.decide(plain), engine.decide(other)
    assert first.feed == second.feed
    assert first.record.user_id is None
    assert len(first.record.context["user_interests"]) == 0


def test_a_bundle_of_another_space_refuses_to_serve(release):
    vectors = release.snapshot.embedding
    foreign = release.snapshot.with_embedding("other-v9", vectors, release.snapshot.embedded)
    with pytest.raises(SpaceMismatch, match="other-v9"):
        replace(release, snapshot=foreign, retriever=Retriever.of(foreign))


def test_a_swap_changes_all_parts_at_once(engine, release, stream):
    before = engine.decide(stream[0])
    engine.swap(replace(release, policy=POLICY.model_copy(update={"name": "other"})))
    after = engine.decide(stream[0])
    assert after.policy_hash != before.policy_hash
    assert [ad.price_micros for ad in after.ads] == [ad.price_micros for ad in before.ads]


def holding(request: AdRequest, **positions: tuple[int, ...]) -> AdRequest:
    """`request` with these positions held: ``module=(1, 4)``."""
    held = [{"position": p, "hold": name} for name, places in positions.items() for p in places]
    return AdRequest.model_validate(request.model_dump() | {"held": held})


def test_the_holds_of_a_request_stand_in_its_slate_and_come_back_from_the_log(
    engine, release, stream, tmp_path
):
    requests = [holding(request, module=(3, 7), no_ad=(2,), for_ad=(9,)) for request in stream[:5]]
    decisions = [engine.decide(request) for request in [*requests, stream[5]]]
    wanted = [[0, 1, 3, 0, 0, 0, 3, 0, 2]] * 5 + [[]]
    with LogWriter(tmp_path, "w") as writer:
        writer.keep(release.resolved_policy)
        for decision in decisions:
            writer.append(replace(decision.record, raw={}, context={}, features={}))
    records = list(DecisionLog(tmp_path).records())
    assert [record.slate.hold.tolist() for record in records] == wanted
    for record in records:
        again = hold_auction(record.slate, release.resolved_policy)
        assert np.array_equal(again.position, record.outcome.position)
        assert np.array_equal(again.price_micros, record.outcome.price_micros)


def test_holds_that_the_page_cannot_reach_are_left_out_and_harm_nothing(engine, stream):
    short = stream[0].model_copy(update={"organic": stream[0].organic[:6]})
    before = engine.decide(short)
    assert 6 + 5 < 20
    decision = engine.decide(holding(short, module=(30,), no_ad=(12, 38), for_ad=(20,)))
    assert decision.degraded is None
    assert decision.record.slate.hold is None
    assert decision.feed == before.feed


@pytest.mark.parametrize("at", [0, 5, 6, 7])
def test_the_organic_feed_keeps_the_modules_of_the_mixer(release, stream, at):
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)

    class Broken:
        name = "broken"

        def enabled(self, passage) -> bool:
            return True

        def run(self, passage) -> None:
            raise RuntimeError("the disk is on fire")

    engine.stages[at] = Broken()
    request = holding(stream[0], module=(1, 4), no_ad=(2,), for_ad=(3,))
    decision = engine.decide(request)
    assert decision.degraded == "fault:broken"
    assert [entry.position for entry in decision.feed if entry.module] == [1, 4]
    assert [entry.position for entry in decision.feed] == list(range(1, len(request.organic) + 3))
    assert [e.organic_id for e in decision.feed if not e.module] == [item.id for item in request.organic]
    assert decision.record.slate.hold.tolist() == [3, 1, 2, 3]
    decision.record.check()


def test_the_answered_page_keeps_every_rule_with_modules_in_it(release, stream):
    """Judged on the final list, where a module is a neighbour of medium risk."""
    rng = np.random.default_rng(5)
    engine = Engine(release, OpenBudgets(), FrequencyCounter(), PATIENT)
    snapshot = release.snapshot
    shown = kept = 0
    for request in stream[:40]:
        size = len(request.organic)
        kinds = rng.choice(["module", "no_ad", "for_ad", ""], size, p=[0.15, 0.1, 0.1, 0.65])
        request = holding(request, **{k: tuple((np.flatnonzero(kinds == k) + 1).tolist()) for k in HeldAs})
        decision = engine.decide(request)
        assert decision.degraded is None
        feed = decision.feed
        assert [entry.position for entry in feed] == list(range(1, len(feed) + 1))
        assert [e.organic_id for e in feed if e.organic_id is not None] == [i.id for i in request.organic]
        assert {e.position for e in feed if e.module} == {p for p in request.modules if p <= len(feed)}
        grade = {item.id: item.grade for item in request.organic}
        places = [ad.position for ad in decision.ads]
        assert all(gap >= POLICY.rules.min_gap for gap in np.diff(places))
        for ad in decision.ads:
            assert ad.position > size or kinds[ad.position - 1] in ("", "for_ad")
            kept += ad.position <= size and kinds[ad.position - 1] == "for_ad"
            tolerance = snapshot.tolerance[snapshot.row_of(ad.ad_id)]
            for neighbour in feed[max(ad.position - 2, 0) : ad.position + 1]:
                risk = grade.get(neighbour.organic_id, Grade.MEDIUM)
                assert neighbour.ad is not None or risk <= tolerance
        again = hold_auction(decision.record.slate, release.resolved_policy)
        assert np.array_equal(again.position, decision.record.outcome.position)
        shown += len(places)
    assert shown > 40
    assert kept > 5


def test_a_position_without_ads_moves_them_and_a_module_moves_everything(engine, release, stream):
    request = next(each for each in stream if engine.decide(each).ads)
    first = engine.decide(request).ads[0].position
    assert first not in [ad.position for ad in engine.decide(holding(request, no_ad=(first,))).ads]
    pushed = engine.decide(holding(request, module=(1,)))
    assert pushed.feed[0].module
    assert organic(pushed) == [None, *(item.id for item in request.organic)]
    alone = engine.decide(holding(request, module=(1,), no_ad=(2,)))
    assert alone.feed[1].organic_id == request.organic[0].id


def test_ads_of_one_main_interest_share_no_page_where_the_policy_says_so(release, stream):
    rules = POLICY.rules.model_copy(update={"one_per_category": True})
    strict = replace(release, policy=POLICY.model_copy(update={"rules": rules}))
    engine = Engine(strict, OpenBudgets(), FrequencyCounter(), PATIENT)
    snapshot, together = release.snapshot, 0
    reasons = set()
    for request in stream[:30]:
        decision = engine.decide(request)
        interests = [int(snapshot.interest[snapshot.row_of(ad.ad_id)]) for ad in decision.ads]
        assert len(set(interests)) == len(interests)
        together += len(interests) > 1
        reasons |= set(decision.reasons())
    assert together
    assert Reason.SAME_CATEGORY in reasons


def test_a_category_is_the_main_interest_of_an_ad(decisions, release):
    slate = decisions[0].record.slate
    rows = [release.snapshot.row_of(ad_id) for ad_id in slate.ad_id.tolist()]
    assert slate.category_id.dtype == np.int64
    assert slate.category_id.tolist() == release.snapshot.interest[rows].tolist()


def aiming_deeper(release: Release) -> Release:
    """All that is billed by the click bids for conversions, twenty times as much for each."""
    snapshot = release.snapshot
    clicks = snapshot.billable == Billable.CLICK
    goal = np.where(clicks, Billable.CONVERSION, snapshot.billable).astype(np.int8)
    bids = np.where(clicks, 20 * snapshot.bid_micros, snapshot.bid_micros)
    deeper = replace(snapshot, goal=goal, bid_micros=bids)
    return replace(release, snapshot=deeper, retriever=Retriever.of(deeper))


def test_a_bid_for_conversions_is_charged_by_the_click_at_the_odds_of_the_two(release, stream):
    engine = Engine(aiming_deeper(release), OpenBudgets(), FrequencyCounter(), PATIENT)
    aimed = 0
    for request in stream[:20]:
        decision = engine.decide(request)
        assert decision.degraded is None
        slate = decision.record.slate
        entry = {int(ad_id): at for at, ad_id in enumerate(slate.ad_id)}
        for ad in decision.ads:
            at = entry[ad.ad_id]
            if ad.billable is Billable.CLICK:
                aimed += 1
                assert slate.goal[at] == Billable.CONVERSION
                odds = slate.p_click_conversion[at] / slate.p_click[at]
                assert ad.price_micros <= slate.bid_micros[at] * slate.multiplier[at] * odds
                assert ad.expected_charge_micros <= 1 + slate.bid_micros[at] * slate.p_click_conversion[at]
        again = hold_auction(slate, release.resolved_policy)
        assert np.array_equal(again.price_micros, decision.record.outcome.price_micros)
    assert aimed


def passage_of(release: Release, request: AdRequest, candidates: Candidates) -> Passage:
    now, asked = request.time.timestamp(), request_columns(request)
    return Passage(request, release, release.resolved_policy, now, asked, np.inf, candidates)


def test_what_a_budget_must_afford_is_the_bid_times_the_chance_of_the_event_bid_for(release, stream):
    row = np.flatnonzero(release.snapshot.billable == Billable.CLICK)[:1].repeat(2)
    bid = int(release.snapshot.bid_micros[row[0]])
    columns = dict.fromkeys(("p_conversion_given_click", "p_save", "p_hide", "similarity"), np.full(2, 0.1))
    columns |= {
        "multiplier": np.full(2, 0.5),
        "p_click": np.full(2, 0.1),
        "p_click_conversion": np.full(2, 0.01),
    }
    by_click, by_conversion = bid * 0.5 * 0.1, bid * 0.5 * 0.01
    for goal, least in ((Billable.CLICK, by_click), (Billable.CONVERSION, by_conversion)):
        snapshot = replace(release.snapshot, goal=np.full(len(release.snapshot), goal, np.int8))
        aimed = replace(release, snapshot=snapshot, retriever=Retriever.of(snapshot))
        columns["available_micros"] = np.array([least - 1, least + 1])
        passage = passage_of(aimed, stream[0], Candidates(row, dict(columns)))
        run_stage(Bid(), passage)
        assert passage.reports[0].left == {Reason.BUDGET: 1}
        assert len(passage.slate.ad_id) == 1


def test_the_first_stage_ranks_by_the_event_bid_for(release, stream):
    """At equal bids, who bids for a rarer event is worth less."""
    snapshot = release.snapshot
    goal = np.where(np.arange(len(snapshot)) % 2, Billable.CONVERSION, Billable.CLICK).astype(np.int8)
    equal = replace(
        snapshot,
        billable=np.full(len(snapshot), Billable.CLICK, np.int8),
        goal=goal,
        bid_micros=np.full(len(snapshot), 100_000),
    )
    aimed = replace(release, snapshot=equal, retriever=Retriever.of(equal))
    engine = Engine(aimed, OpenBudgets(), FrequencyCounter(), PATIENT)
    passage = passage_of(aimed, stream[0], Candidates())
    for stage in engine.stages[:2]:
        run_stage(stage, passage)
    came = goal[passage.candidates.row]
    half = int((came == Billable.CLICK).sum())
    assert 10 < half < len(came)
    run_stage(Prerank(half), passage)
    assert (goal[passage.candidates.row] == Billable.CLICK).mean() > 0.9


def test_every_code_of_a_hold_has_a_name_for_mixers():
    assert {Hold[name.name] for name in HeldAs} == set(Hold) - {Hold.OPEN}
