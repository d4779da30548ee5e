"""Positions that a request holds: closed to ads, kept for one, or the mixer's own module."""

from dataclasses import replace

import numpy as np

from adsrank.request import HeldAs
from auction.auction import hold_auction
from auction.billable import Grade
from auction.hold import Hold
from auction.log import DecisionLog, LogWriter
from tests.adsrank.engine.page import POLICY, holding, organic


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


def test_the_answered_page_keeps_every_rule_with_modules_in_it(engine, release, stream):
    """Judged on the final list, where a module is a neighbour of medium risk."""
    rng = np.random.default_rng(5)
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


def test_every_code_of_a_hold_has_a_name_for_mixers():
    assert {Hold[name.name] for name in HeldAs} == set(Hold) - {Hold.OPEN}
