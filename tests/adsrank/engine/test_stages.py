"""Every candidate of a decision is accounted for, stage by stage."""

import numpy as np

from auction.reason import Reason


def test_the_stages_are_those_of_the_design_in_order(engine):
    names = [stage.name for stage in engine.stages]
    assert names == ["retrieve", "filter", "prerank", "rank", "calibrate", "bid", "auction", "reserve"]


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
