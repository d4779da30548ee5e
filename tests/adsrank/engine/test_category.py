"""The category of an ad, and the rule that keeps one of each on a page."""

from dataclasses import replace

import numpy as np

from adsrank.engine import Engine
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from auction.reason import Reason
from tests.adsrank.engine.page import PATIENT, POLICY


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
