"""A decision's record decides the same again."""

import numpy as np

from auction.auction import hold_auction


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
