"""A decision that is late costs the ads, never the organic feed."""

from auction.reason import Reason
from tests.adsrank.engine.page import PATIENT, organic


def test_after_the_deadline_the_organic_feed_is_answered(engine, stream):
    decision = engine.decide(stream[0].model_copy(update={"deadline_ms": 1}))
    assert decision.degraded == "deadline"
    assert organic(decision) == [item.id for item in stream[0].organic]


def test_what_was_in_the_running_at_the_deadline_left_for_it(engine, stream):
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
