from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import numpy as np
import pytest

from adsrank.data.builtin import generate
from adsrank.data.traffic import repeats, requests
from adsrank.data.world import UNLABELLED
from adsrank.request import AdRequest, Surface
from auction.billable import Grade
from auction.errors import InputError

START = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def stream(world) -> list[AdRequest]:
    return list(requests(world, 5, START, 24, 1200))


def test_requests_are_those_that_would_arrive_over_the_wire(stream) -> None:
    for request in stream[:200]:
        assert type(request) is AdRequest
        assert AdRequest.model_validate_json(request.model_dump_json()) == request
        assert request.model_extra == {}


def test_equal_arguments_give_equal_requests(world, stream) -> None:
    assert list(requests(world, 5, START, 24, 1200)) == stream
    assert next(requests(world, 6, START, 24, 1200)) != stream[0]


def test_a_stream_is_made_as_it_is_read(world) -> None:
    assert len(list(islice(requests(world, 5, START, 24, 100_000), 3))) == 3


def test_requests_come_in_order_of_time_with_ids_of_their_own(stream) -> None:
    assert all(a.time <= b.time for a, b in pairwise(stream))
    assert stream[0].time >= START
    assert stream[-1].time < START + timedelta(days=1)
    assert len({request.request_id for request in stream}) == 1200


def test_a_request_says_who_its_user_is(world, stream) -> None:
    users = world.users
    for request in stream[:200]:
        row = world.user_row[request.user_id]
        mine = slice(users.interest_offset[row], users.interest_offset[row + 1])
        assert request.user_interests == users.interest[mine].tolist()
        found = (request.country, request.device, request.language)
        assert found == (users.country[row], users.device[row], users.language[row])
        assert request.embedding_space == world.embedding_space
        assert 1 <= len(request.intents) <= 4
        assert len(request.recent_interests) <= 20
        interests = [action.interest for action in request.recent_actions]
        assert interests[-20:] == request.recent_interests
        times = [action.time for action in request.recent_actions]
        assert times == sorted(times)
        assert not times or times[-1] < request.time


def test_surfaces_and_sources_are_mixed(stream) -> None:
    share = {s: np.mean([request.surface is s for request in stream]) for s in Surface}
    assert share[Surface.HOME] > 0.5
    assert min(share.values()) > 0.03
    first = {Surface.HOME: "session", Surface.RELATED: "pin", Surface.SEARCH: "query"}
    for request in stream:
        assert request.intents[0].source == first[request.surface]
        assert {intent.source for intent in request.intents[1:]} <= {"user"}


def test_organic_items_are_pins_with_utilities_and_grades_of_the_world(world, stream) -> None:
    row = {pin: k for k, pin in enumerate(world.pins.pin_id.tolist())}
    unlabelled = 0
    assert 30 < np.mean([len(request.organic) for request in stream]) < 42
    for request in stream[:200]:
        assert 15 <= len(request.organic) <= 50
        assert len({item.id for item in request.organic}) == len(request.organic)
        for item in request.organic:
            assert 0.0 <= item.utility <= 1.0
            grade = world.pins.grade[row[item.id]]
            unlabelled += grade == UNLABELLED
            assert item.grade == (Grade.MEDIUM if grade == UNLABELLED else grade)
    assert unlabelled > 20


def test_organic_items_suit_the_session_and_stand_about_in_order_of_utility(world, stream) -> None:
    row = {pin: k for k, pin in enumerate(world.pins.pin_id.tolist())}
    near, early = [], []
    for request in stream[:300]:
        vectors = world.pins.vector[[row[item.id] for item in request.organic]]
        near.append(float((vectors @ request.intent_matrix()[0]).mean()))
        utility = np.array([item.utility for item in request.organic])
        early.append(np.corrcoef(np.arange(len(utility)), utility)[0, 1])
    average = world.pins.vector.mean(axis=0)
    anything = np.mean([float(request.intent_matrix()[0] @ average) for request in stream[:300]])
    assert np.mean(near) > anything + 0.2
    assert -0.98 < np.mean(early) < -0.6


def test_only_later_pages_follow_an_ad(stream) -> None:
    later = [int(request.request_id.rsplit("-", 1)[1]) > 0 for request in stream]
    assert 0.2 < np.mean(later) < 0.5
    assert all((request.positions_since_ad >= 1) == page for request, page in zip(stream, later, strict=True))


def test_a_tiny_world_has_traffic_too() -> None:
    for request in requests(generate(1, users=2, pins=3), 1, START, 1, 20):
        assert 1 <= len(request.organic) <= 3


def test_a_stretch_of_nothing_is_refused(world) -> None:
    with pytest.raises(InputError, match="count"):
        next(requests(world, 5, START, 24, 0))


def test_repeats_are_all_but_the_first_of_a_value() -> None:
    values = np.array([[3, 1, 3, 3, 1], [5, 4, 3, 2, 1]])
    assert repeats(values).tolist() == [[False, False, True, True, True], [False] * 5]
