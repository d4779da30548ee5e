from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from adsrank.data.outcome import EVENTS, respond
from adsrank.data.reaction import react
from adsrank.data.traffic import requests
from adsrank.request import AdRequest
from auction.errors import InputError

START = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def stream(world) -> list[AdRequest]:
    return list(requests(world, 31, START, 24, 600))


def some_ads(truth, request: AdRequest, count: int) -> list[int]:
    """Near and far ads in turn: near ones are clicked, far ones are hidden."""
    cosine = truth.inventory.vector @ request.intent_matrix()[0]
    by_cosine = truth.inventory.ad_id[np.argsort(-cosine)].tolist()
    return [by_cosine[k // 2 if k % 2 else -1 - k // 2] for k in range(count)]


def test_events_are_those_of_the_reactions(truth, stream) -> None:
    total: Counter[str] = Counter()
    for request in stream:
        shown = [(ad, 3 + 4 * k, 4 * (k > 0)) for k, ad in enumerate(some_ads(truth, request, 6))]
        events = respond(truth, request, shown)
        ids, position, gap = (np.array(column) for column in zip(*shown, strict=True))
        drawn = react(truth, truth.context(request, ids), position, gap)
        happened = {"impression": drawn.seen, "click": drawn.click, "save": drawn.save, "hide": drawn.hide}
        happened["conversion"] = drawn.conversion
        for kind in EVENTS:
            expect = set(ids[happened[kind]].tolist())
            assert {event["ad_id"] for event in events if event["type"] == kind} == expect
        assert len({(event["type"], event["ad_id"]) for event in events}) == len(events)
        total.update(event["type"] for event in events)
    assert set(total) == set(EVENTS)
    assert total["impression"] > total["click"] > total["conversion"]


def test_an_answer_is_the_same_whatever_order_or_company_the_ads_are_shown_in(truth, stream) -> None:
    for request in stream[:100]:
        shown = [(ad, 3 + 4 * k, 4 * (k > 0)) for k, ad in enumerate(some_ads(truth, request, 5))]
        together = respond(truth, request, shown)
        assert respond(truth, request, shown[::-1]) == together
        apart = [event for one in shown for event in respond(truth, request, [one])]
        assert sorted(map(str, apart)) == sorted(map(str, together))


def test_events_come_in_order_of_time_after_the_request(truth, stream) -> None:
    longest = timedelta(0)
    for request in stream:
        shown = [(ad, 3 + 4 * k, 4 * (k > 0)) for k, ad in enumerate(some_ads(truth, request, 5))]
        events = respond(truth, request, shown)
        assert [event["time"] for event in events] == sorted(event["time"] for event in events)
        seen = {event["ad_id"]: event["time"] for event in events if event["type"] == "impression"}
        clicked = {event["ad_id"]: event["time"] for event in events if event["type"] == "click"}
        assert all(time > request.time for time in seen.values())
        for event in events:
            if event["type"] != "impression":
                assert event["time"] > seen[event["ad_id"]]
            if event["type"] == "conversion":
                assert type(event["value_micros"]) is int
                assert event["value_micros"] > 0
                longest = max(longest, event["time"] - clicked[event["ad_id"]])
            else:
                assert event["value_micros"] == 0
    assert timedelta(hours=1) < longest <= timedelta(days=3)


def test_nothing_shown_is_nothing_answered(truth, stream) -> None:
    assert respond(truth, stream[0], []) == []


@pytest.mark.parametrize(
    ("shown", "field"),
    [
        ((1, 3, 0), r"ad_id\[0\]"),
        ((None, 0, 0), r"shown\[0\]\.position"),
        ((None, 3, -1), r"shown\[0\]\.gap"),
    ],
)
def test_an_impossible_feed_is_refused(truth, stream, shown, field: str) -> None:
    ad = int(truth.inventory.ad_id[0]) if shown[0] is None else shown[0]
    with pytest.raises(InputError, match=field):
        respond(truth, stream[0], [(ad, shown[1], shown[2])])
