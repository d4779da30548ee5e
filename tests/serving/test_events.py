"""Events from clients."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from auction.billable import Billable
from auction.errors import InputError
from auction.frequency import FrequencyCap, FrequencyCaps, FrequencyCounter
from serving.events import MAX_BATCH, Event, EventIngest
from serving.ledger import Ledger, LedgerUnavailable, Status
from serving.token import Placement, TokenSigner
from tests.serving.market import CAMPAIGN, NOW, amounts, budget, placement

SIGNER = TokenSigner(b"the key of the event tests, 32 b")


def event(event_id: str, placed: Placement, kind: str = "click", **more: object) -> Event:
    time_ = datetime.fromtimestamp(NOW + 1, UTC)
    return Event.model_validate(
        {"event_id": event_id, "token": SIGNER.encode(placed), "type": kind, "time": time_, **more}
    )


@pytest.fixture
def ingest(ledger: Ledger) -> EventIngest:
    ledger.set_budgets([budget(150)])
    return EventIngest(ledger, SIGNER, clock=lambda: NOW + 1)


def test_a_batch_is_answered_event_by_event_in_order(ingest: EventIngest) -> None:
    forged = TokenSigner(b"a forger's key, 32 bytes long ..").encode(placement(9))
    batch = [
        event("a", placement(1)),
        Event(event_id="b", token=forged, type="click"),
        event("c", placement(1), "save"),
        event("a", placement(1)),
        Event(event_id="d", token="nonsense", type="click"),
        event("e", placement(2)),
        event("f", placement(3)),
        event("g", placement(4, life_s=0.5)),
    ]
    results = ingest.ingest(batch)
    assert [(each.event_id, each.status.value, each.charged_micros) for each in results] == [
        ("a", "charged", 100),
        ("b", "unknown", None),
        ("c", "recorded", None),
        ("a", "duplicate", None),
        ("d", "unknown", None),
        ("e", "charged", 50),
        ("f", "free", 0),
        ("g", "expired", None),
    ]
    assert results[1].detail == "token: not signed here"


def test_a_body_that_is_no_event_names_its_field_and_holds_nobody_up(
    ingest: EventIngest, ledger: Ledger
) -> None:
    token = SIGNER.encode(placement(1))
    good = {"event_id": "good", "token": token, "type": "click", "time": "2026-05-28T20:26:41Z", "new": 1}
    bodies = [
        "text",
        None,
        {"event_id": "x", "token": token},
        {**good, "event_id": 7},
        {**good, "event_id": "nul\x00"},
        {**good, "event_id": "e" * 129},
        {**good, "type": "purchase"},
        {**good, "value_micros": -1},
        {**good, "value_micros": 0.5},
        {**good, "token": "t" * 5000},
        good,
    ]
    results = ingest.ingest_raw(bodies)
    assert [each.status for each in results] == [Status.INVALID] * 10 + [Status.CHARGED]
    fields = [(each.detail or "").split(":")[0] for each in results[:-1]]
    assert fields == [
        "event", "event", "type", "event_id", "event_id", "event_id", "type", "value_micros", "value_micros",
        "token",
    ]  # fmt: skip
    assert results[2].event_id == "x"
    assert amounts(ledger) == {"spent": 100}


def test_unknown_fields_are_tolerated_and_kept() -> None:
    assert event("a", placement(1), screen="home").model_extra == {"screen": "home"}


def test_a_time_without_an_offset_is_utc() -> None:
    assert event("a", placement(1), time="2026-05-28T10:00:00").time == datetime(2026, 5, 28, 10, tzinfo=UTC)
    assert event("a", placement(1), time="2026-05-28T12:00:00+02:00").time.hour == 10


def test_an_event_without_a_time_happened_now() -> None:
    assert abs(Event(event_id="a", token="t", type="hide").time.timestamp() - time.time()) < 60


def test_a_batch_that_is_too_large_is_refused_whole(ingest: EventIngest, ledger: Ledger) -> None:
    batch = [event(f"e{number}", placement(number)) for number in range(MAX_BATCH + 1)]
    with pytest.raises(InputError, match="events"):
        ingest.ingest(batch)
    with pytest.raises(InputError, match="events"):
        ingest.ingest_raw([{}] * (MAX_BATCH + 1))
    assert amounts(ledger) == {}
    assert len(ingest.ingest(batch[:-1])) == MAX_BATCH


def test_an_event_id_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(ValidationError, match="event_id"):
        Event(event_id="a\x00b", token="t", type="click")


def test_clicks_count_for_frequency_caps_once(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    counter = FrequencyCounter()
    ingest = EventIngest(ledger, SIGNER, counter, clock=lambda: NOW + 1)
    twice = FrequencyCaps.of([FrequencyCap(Billable.CLICK, 1, 2)])
    campaign = np.asarray([CAMPAIGN], np.int64)
    ingest.ingest(
        [event("a", placement(1), user_id="u"), event("i", placement(1), "impression", user_id="u")]
    )
    ingest.ingest([event("a", placement(1), user_id="u")])
    assert len(counter) == 1, "the impression was counted when the ad was placed, the retry not at all"
    assert not counter.exceeded("u", campaign, twice, NOW + 2).any()
    ingest.ingest([event("b", placement(2), user_id="u"), event("c", placement(3))])
    assert counter.exceeded("u", campaign, twice, NOW + 2).all()


def test_a_batch_that_could_not_be_written_can_be_sent_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger, blocker = Ledger(url, patience_s=0.05), Ledger(url)
    ledger.set_budgets([budget(150)])
    ingest = EventIngest(ledger, SIGNER, clock=lambda: NOW + 1)
    batch = [event("a", placement(1))]
    with blocker._database._engine.begin(), pytest.raises(LedgerUnavailable):
        ingest.ingest(batch)
    assert [each.status for each in ingest.ingest(batch)] == [Status.CHARGED]
    ledger.close()
    blocker.close()


def test_ids_reach_the_ledger_as_they_are(open_ledger: Callable[[], Ledger]) -> None:
    ledger = open_ledger()
    ledger.set_budgets([budget(1000)])
    ingest = EventIngest(ledger, SIGNER, clock=lambda: NOW + 1)
    odd = ["it's", 'a "quote"', "comma,brace}{", "日本語", "emoji 🎈", "back\\slash", "%s :name ?"]
    batch = [event(name, placement(name)) for name in odd]
    assert {each.status for each in ingest.ingest(batch)} == {Status.CHARGED, Status.FREE} - {Status.FREE}
    assert {each.status for each in ingest.ingest(batch)} == {Status.DUPLICATE}


@pytest.mark.parametrize("time_", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-01-01"])
def test_a_time_off_the_calendar_spoils_its_own_event_and_no_other(ingest: EventIngest, time_: str) -> None:
    token = SIGNER.encode(placement(1))
    good = {"event_id": "good", "token": token, "type": "click", "time": "2026-05-28T20:26:41Z"}
    poison = {"event_id": "bad", "token": SIGNER.encode(placement(2)), "type": "click", "time": time_}
    results = ingest.ingest_raw([poison, good])
    assert [each.status for each in results] == [Status.INVALID, Status.CHARGED]
    assert (results[0].detail or "").startswith("time: ")
