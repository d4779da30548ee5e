"""Frequency caps, and what counts toward them."""

from adsrank.engine import Engine
from auction.billable import Billable
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter
from tests.adsrank.engine.page import PATIENT


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
