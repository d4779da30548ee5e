"""A fault in a stage costs the ads, never the organic feed."""

from dataclasses import dataclass

import pytest

from tests.adsrank.engine.page import holding, organic


@dataclass(frozen=True)
class Broken:
    """A stage that fails."""

    name: str

    def enabled(self, passage) -> bool:
        return True

    def run(self, passage) -> None:
        raise RuntimeError("the disk is on fire")


@pytest.mark.parametrize("at", range(8))
def test_a_fault_in_any_stage_gives_the_organic_feed_and_names_the_stage(engine, stream, at):
    stage = engine.stages[at]
    engine.stages[at] = Broken(stage.name)
    decision = engine.decide(stream[0])
    assert decision.degraded == f"fault:{stage.name}"
    assert decision.ads == []
    assert organic(decision) == [item.id for item in stream[0].organic]
    decision.record.check()


@pytest.mark.parametrize("at", [0, 5, 6, 7])
def test_the_organic_feed_keeps_the_modules_of_the_mixer(engine, stream, at):
    engine.stages[at] = Broken("broken")
    request = holding(stream[0], module=(1, 4), no_ad=(2,), for_ad=(3,))
    decision = engine.decide(request)
    assert decision.degraded == "fault:broken"
    assert [entry.position for entry in decision.feed if entry.module] == [1, 4]
    assert [entry.position for entry in decision.feed] == list(range(1, len(request.organic) + 3))
    assert [e.organic_id for e in decision.feed if not e.module] == [item.id for item in request.organic]
    assert decision.record.slate.hold.tolist() == [3, 1, 2, 3]
    decision.record.check()


def test_utilities_that_no_policy_can_weigh_still_get_the_organic_feed(engine, stream):
    items = [item.model_copy(update={"utility": 1e9}) for item in stream[0].organic]
    decision = engine.decide(stream[0].model_copy(update={"organic": items}))
    assert decision.degraded == "fault:auction"
    assert organic(decision) == [item.id for item in items]
    assert not decision.record.held
