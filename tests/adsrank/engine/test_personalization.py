"""A request that forbids it is answered without the user."""


def test_without_personalization_nothing_of_the_user_is_scored_or_logged(engine, stream):
    plain = stream[0].model_copy(update={"personalized": False})
    other = plain.model_copy(update={"user_interests": [], "recent_interests": [], "user_id": "someone"})
    first, second = engine.decide(plain), engine.decide(other)
    assert first.feed == second.feed
    assert first.record.user_id is None
    assert len(first.record.context["user_interests"]) == 0
