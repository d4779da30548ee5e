"""Money that a decision holds, and gives back."""

from dataclasses import replace

import pytest

from adsrank.engine import Engine
from auction.budget import Lease, LeasedBudgets
from auction.frequency import FrequencyCounter
from auction.policy import Quality, Reserve
from auction.reason import Reason
from tests.adsrank.engine.page import PATIENT, POLICY


@pytest.fixture
def budgets(release) -> LeasedBudgets:
    """Plenty for every campaign."""
    found = LeasedBudgets()
    found.renew([Lease(campaign, 10**9) for campaign in release.snapshot.campaigns.campaign_id.tolist()])
    return found


def test_a_campaign_without_money_is_not_shown_and_says_budget(release, stream):
    poor = LeasedBudgets()
    engine = Engine(release, poor, FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0])
    assert decision.ads == []
    assert decision.reasons()[Reason.BUDGET] == decision.stages[0].went


def test_placed_ads_hold_their_expected_charge(release, budgets, stream):
    engine = Engine(release, budgets, FrequencyCounter(), PATIENT)
    ads = [ad for request in stream[:5] for ad in engine.decide(request).ads]
    held = {each.placement_id: each.amount_micros for each in budgets.pending()}
    assert held == {ad.placement_id: ad.expected_charge_micros for ad in ads}


def test_a_free_slot_holds_the_least_amount_and_is_shown(release, budgets, stream):
    nothing = Reserve()
    free = POLICY.model_copy(update={"exchange_rate": 1e-9, "reserve": nothing, "quality": Quality()})
    engine = Engine(replace(release, policy=free), budgets, FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0])
    assert decision.degraded is None
    assert len(budgets.pending()) == len(decision.ads) > 0
    assert all(each.amount_micros >= 1 for each in budgets.pending())


def test_a_withdrawn_decision_holds_nothing(release, budgets, stream):
    engine = Engine(release, budgets, FrequencyCounter(), PATIENT)
    decision = engine.decide(stream[0])
    assert len(budgets.pending()) == len(decision.ads) > 0
    engine.withdraw(decision)
    assert budgets.pending() == []


def test_a_fault_after_money_was_held_gives_it_back(release, budgets, stream):
    class Broken(FrequencyCounter):
        def note(self, *args, **kwargs) -> None:
            raise RuntimeError("no memory")

    decision = Engine(release, budgets, Broken(), PATIENT).decide(stream[0])
    assert decision.degraded == "fault:reserve"
    assert budgets.pending() == []
