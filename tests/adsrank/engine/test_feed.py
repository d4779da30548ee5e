"""The answered feed: ads among organic items, which stay as they are."""

from auction.reason import Reason
from tests.adsrank.engine.page import organic


def test_ads_are_shown_and_every_organic_item_stays_in_its_order(decisions, stream):
    assert sum(len(decision.ads) for decision in decisions) > len(decisions)
    for decision, request in zip(decisions, stream, strict=True):
        assert decision.degraded is None
        assert organic(decision) == [item.id for item in request.organic]
        assert [entry.position for entry in decision.feed] == list(range(1, len(decision.feed) + 1))


def test_an_empty_organic_list_gets_an_empty_feed(engine, stream):
    decision = engine.decide(stream[0].model_copy(update={"organic": []}))
    assert decision.feed == []
    assert decision.degraded is None


def test_a_relevance_floor_does_not_judge_what_has_no_vector(engine, stream):
    interested = [request for request in stream if request.user_interests]
    assert interested
    shown = [engine.decide(request.model_copy(update={"intents": []})) for request in interested[:10]]
    assert sum(len(decision.ads) for decision in shown) > 0
    assert all(Reason.RELEVANCE not in decision.reasons() for decision in shown)
