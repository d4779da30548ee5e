"""Bids for an event later than the one that is billed."""

from dataclasses import replace

import numpy as np

from adsrank.candidates import Candidates
from adsrank.engine import Engine
from adsrank.features.columns import request_columns
from adsrank.passage import Passage
from adsrank.release import Release
from adsrank.request import AdRequest
from adsrank.retrieval.retriever import Retriever
from adsrank.stage import run_stage
from adsrank.stages.bid import Bid
from adsrank.stages.prerank import Prerank
from auction.auction import hold_auction
from auction.billable import Billable
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.reason import Reason
from tests.adsrank.engine.page import PATIENT


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
