"""The HTTP door over a real runtime, in process."""

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from adsrank.passage import Passage
from auction.log.reader import DecisionLog
from serving.answer import FeedResponse
from serving.client import AdsClient
from serving.http import create_app
from serving.runtime import Runtime
from serving.settings import ServingSettings

Body = dict[str, Any]


@pytest.fixture
def http(runtime: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(runtime), raise_server_exceptions=False) as client:
        yield client


def post(http: TestClient, body: Body, **more: Any) -> Any:
    return http.post("/v1/feed", content=orjson.dumps({**body, **more}))


def organic_of(body: Body) -> list[str]:
    return [item["id"] for item in body["organic"]]


def shown_organic(answer: Body) -> list[str]:
    return [entry["id"] for entry in answer["feed"] if entry["type"] == "organic"]


def some_ads(http: TestClient, bodies: list[Body]) -> list[Body]:
    ads = [entry for body in bodies for entry in post(http, body).json()["feed"] if entry["type"] == "ad"]
    assert ads, "the market shows no ad at all"
    return ads


def test_feeds_carry_ads_with_price_token_and_disclosure(http: TestClient, bodies: list[Body]) -> None:
    for ad in some_ads(http, bodies):
        assert ad["disclosure"] == "Promoted"
        assert ad["price_micros"] > 0
        assert ad["billable_event"] in ("IMPRESSION", "CLICK", "CONVERSION")
        assert ad["destination_url"].startswith("https://")
        assert ad["token"]
        assert ad["why"]


def test_organic_items_all_come_back_in_their_order_and_positions_have_no_hole(
    http: TestClient, bodies: list[Body]
) -> None:
    for body in bodies:
        answer = post(http, body).json()
        assert answer["degraded"] is None
        assert shown_organic(answer) == organic_of(body)
        assert [entry["position"] for entry in answer["feed"]] == list(range(1, len(answer["feed"]) + 1))
        FeedResponse.model_validate(answer)


def test_the_same_request_gets_the_same_feed(http: TestClient, bodies: list[Body]) -> None:
    body = next(body for body in bodies if any(e["type"] == "ad" for e in post(http, body).json()["feed"]))
    first, second = (
        [
            (e["position"], e.get("id"), e.get("ad_id"), e.get("price_micros"))
            for e in post(http, body).json()["feed"]
        ]
        for _ in range(2)
    )
    assert first == second


def test_explain_adds_stages_and_reasons_and_nothing_disappears(http: TestClient, bodies: list[Body]) -> None:
    plain = post(http, bodies[0]).json()
    assert "stages" not in plain
    answer = http.post("/v1/feed?explain=true", content=orjson.dumps(bodies[0])).json()
    names = [stage["name"] for stage in answer["stages"]]
    assert names[0] == "retrieve"
    assert "auction" in names
    for stage in answer["stages"][1:]:
        if stage["name"] not in ("auction", "reserve"):
            assert stage["came"] - stage["went"] == sum(stage["left"].values()), stage


def test_an_empty_page_is_answered_as_it_is(http: TestClient, bodies: list[Body]) -> None:
    answer = post(http, bodies[0], organic=[])
    assert answer.status_code == 200
    assert [entry for entry in answer.json()["feed"] if entry["type"] == "organic"] == []


def test_unknown_fields_are_tolerated_and_counted(http: TestClient, bodies: list[Body]) -> None:
    body = {**bodies[0], "new_field": {"deep": [1]}, "organic": [{**bodies[0]["organic"][0], "color": "red"}]}
    assert post(http, body).status_code == 200
    text = http.get("/metrics").text
    assert 'adsrank_unknown_fields_total{part="request"} 1.0' in text
    assert 'adsrank_unknown_fields_total{part="organic"} 1.0' in text


def test_a_requests_wrong_clock_is_replaced(http: TestClient, bodies: list[Body]) -> None:
    answer = post(http, bodies[0], time="1999-12-31T23:59:59Z")
    assert answer.status_code == 200
    assert "adsrank_clock_skew_total 1.0" in http.get("/metrics").text


def test_at_the_deadline_the_organic_feed_is_answered_unchanged(
    http: TestClient, runtime: Runtime, bodies: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = runtime.engine.stages[3]
    run = slow.run

    def drag(passage: Passage) -> None:
        time.sleep(0.05)
        run(passage)

    monkeypatch.setattr(type(slow), "run", lambda self, passage: drag(passage))
    answer = post(http, bodies[0], deadline_ms=30).json()
    assert answer["degraded"] == "deadline"
    assert [(e["position"], e["id"]) for e in answer["feed"]] == list(enumerate(organic_of(bodies[0]), 1))


@pytest.mark.parametrize("place", range(8))
def test_a_fault_in_any_stage_gives_the_organic_feed_unchanged(
    place: int, http: TestClient, runtime: Runtime, bodies: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = runtime.engine.stages[place]

    def fail(self: object, passage: Passage) -> None:
        raise RuntimeError("secret detail of the inside")

    monkeypatch.setattr(type(stage), "run", fail)
    monkeypatch.setattr(type(stage), "enabled", lambda self, passage: True)
    reply = post(http, bodies[0])
    answer = reply.json()
    assert answer["degraded"] == f"fault:{stage.name}"
    assert [(e["position"], e["id"]) for e in answer["feed"]] == list(enumerate(organic_of(bodies[0]), 1))
    assert "secret" not in reply.text


def test_a_fault_after_the_decision_gives_the_organic_feed_too(
    http: TestClient, runtime: Runtime, bodies: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the log is broken")

    monkeypatch.setattr(runtime.log, "append", fail)
    answer = post(http, bodies[0]).json()
    assert answer["degraded"] == "fault:answer"
    assert [e["id"] for e in answer["feed"]] == organic_of(bodies[0])


def test_events_are_charged_once_and_duplicates_and_strangers_answered_as_such(
    http: TestClient, bodies: list[Body]
) -> None:
    ads = some_ads(http, bodies)
    ad = next((ad for ad in ads if ad["billable_event"] == "CLICK"), None)
    assert ad is not None, "no ad is billed by click"
    view = {"event_id": "e-1", "token": ad["token"], "type": "impression"}
    click = {"event_id": "e-2", "token": ad["token"], "type": "click"}
    forged = {"event_id": "e-3", "token": ad["token"][:-6] + "AAAAAA", "type": "click"}
    wrong = {"event_id": "e-4", "token": ad["token"], "type": "stare"}
    answer = http.post("/v1/events", json={"events": [view, click, click, forged, wrong]})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["event_id"] for result in results] == ["e-1", "e-2", "e-2", "e-3", "e-4"]
    assert [r["status"] for r in results] == ["recorded", "charged", "duplicate", "unknown", "invalid"]
    assert results[1]["charged_micros"] == ad["price_micros"]
    again = http.post("/v1/events", json={"events": [click]}).json()["results"]
    assert [result["status"] for result in again] == ["duplicate"]


def test_a_batch_that_is_too_long_is_refused(http: TestClient) -> None:
    answer = http.post("/v1/events", json={"events": [{}] * 1001})
    assert_problem(answer, 422, "invalid_request", "events")


def assert_problem(answer: Any, status: int, code: str, path: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert len(answer.content) < 10_000
    assert "Traceback" not in answer.text
    if path is not None:
        assert path in [error["path"] for error in body["errors"]]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"request_id": None}, "request_id"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": 1.5}, "request_id"),
        ({"request_id": "x" * 200_000}, "request_id"),
        ({"surface": "billboard"}, "surface"),
        ({"time": "yesterday"}, "time"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"organic": [{"id": "a", "utility": -1}]}, "organic[0].utility"),
        ({"organic": [{"id": "a"}, {"id": "a"}]}, "organic"),
        ({"organic": [{"id": str(n)} for n in range(10_000)]}, "organic"),
        ({"organic": "none"}, "organic"),
        ({"intents": [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}]}, "intents"),
        ({"intents": [{"embedding": ["x"]}]}, "intents[0].embedding[0]"),
        ({"intents": [{"embedding": []}]}, "intents[0].embedding"),
        ({"intents": [{"embedding": [0.0] * 5000}]}, "intents[0].embedding"),
        ({"intents": [{"embedding": [1.0] * 31}]}, "intents[0].embedding"),
        ({"embedding_space": "of-yesterday"}, "embedding_space"),
        ({"held": [{"position": n, "hold": "module"} for n in (1, 2, 1)]}, "held[2].position"),
        ({"held": [{"position": 256, "hold": "no_ad"}]}, "held[0].position"),
        ({"held": [{"position": 3, "hold": "ad"}]}, "held[0].hold"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_field_is_named(change: Body, path: str, http: TestClient, bodies: list[Body]) -> None:
    assert_problem(post(http, bodies[0], **change), 422, "invalid_request", path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 300_000,
        b'{"a":' * 100_000,
        b"{} trailing",
        b'{"request_id": "\\ud800"}',
    ],
    ids=["empty", "cut", "not text", "deep list", "deep object", "trailing", "half a surrogate"],
)
def test_what_is_not_json_is_a_400(text: bytes, http: TestClient) -> None:
    assert_problem(http.post("/v1/feed", content=text), 400, "invalid_json")


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ({"type": "stare", "time": "2026-03-01T00:00:00Z"}, "recent_actions[0].type"),
        ({"type": "save"}, "recent_actions[0].time"),
        ({"type": "save", "time": "soon"}, "recent_actions[0].time"),
        ({"type": "save", "time": "2026-03-01T00:00:00Z", "interest": 2**31}, "recent_actions[0].interest"),
        ({"type": "save", "time": "2026-03-01T00:00:00Z", "item": 0}, "recent_actions[0].item"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused_by_its_path(
    http: TestClient, bodies: list[Body], action: Body, path: str
) -> None:
    answer = http.post("/v1/feed", content=orjson.dumps({**bodies[0], "recent_actions": [action]}))
    assert_problem(answer, 422, "invalid_request", path)


def test_json_that_is_no_object_is_a_422(http: TestClient) -> None:
    for text in (b"null", b"[]", b"7", b'"x"'):
        assert_problem(http.post("/v1/feed", content=text), 422, "invalid_request")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_none_are_refused(number: bytes, http: TestClient) -> None:
    for field in (b'"organic":[{"id":"a","utility":%s}]', b'"intents":[{"embedding":[%s]}]'):
        body = b'{"request_id":"r","user_id":"u",' + field % number + b"}"
        answer = http.post("/v1/feed", content=body)
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


def test_numbers_beyond_64_bits_do_no_harm(http: TestClient, bodies: list[Body]) -> None:
    for field in ("user_interests", "recent_interests", "blocked_advertisers", "hidden_ads"):
        text = orjson.dumps({**bodies[0], field: []}).replace(
            f'"{field}":[]'.encode(), f'"{field}":[{10**30}]'.encode()
        )
        answer = http.post("/v1/feed", content=text)
        if answer.status_code == 200:
            assert shown_organic(answer.json()) == organic_of(bodies[0])
        else:
            assert_problem(answer, 422, "invalid_request", f"{field}[0]")


def test_a_body_too_large_is_refused_announced_or_not(http: TestClient) -> None:
    assert_problem(http.post("/v1/feed", content=b" " * 1_000_001), 413, "body_too_large")

    def parts() -> Iterator[bytes]:
        for _ in range(1001):
            yield b" " * 1000

    assert_problem(http.post("/v1/feed", content=parts()), 413, "body_too_large")


def test_other_media_and_encodings_are_refused(http: TestClient) -> None:
    for headers, code in (
        ({"content-type": "text/xml"}, "unsupported_media_type"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "unsupported_encoding"),
    ):
        assert_problem(http.post("/v1/feed", content=b"{}", headers=headers), 415, code)


def test_unknown_paths_and_methods_are_problems_too(http: TestClient) -> None:
    assert_problem(http.get("/v2/feed"), 404, "not_found")
    answer = http.get("/v1/feed")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_fault_of_the_server_shows_no_trace(
    http: TestClient, runtime: Runtime, bodies: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(runtime, "feed", fail)
    answer = post(http, bodies[0])
    assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text


def test_a_ledger_that_is_away_refuses_events_to_be_sent_again_and_feeds_go_on(
    http: TestClient, runtime: Runtime, bodies: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.ledger import LedgerUnavailable

    token = some_ads(http, bodies)[0]["token"]

    def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable("disk full")

    monkeypatch.setattr(runtime.ledger, "settle", away)
    monkeypatch.setattr(runtime.ledger, "renew", away)
    answer = http.post("/v1/events", json={"events": [{"event_id": "e", "token": token, "type": "click"}]})
    assert_problem(answer, 503, "ledger_unavailable")
    assert answer.headers["retry-after"] == "1"
    deadline = time.monotonic() + 10
    while http.get("/readyz").json()["ledger"] == "up":
        assert time.monotonic() < deadline, "paid ads go on without a ledger"
        time.sleep(0.05)
    for body in bodies[:5]:
        answer = post(http, body).json()
        assert [entry["id"] for entry in answer["feed"]] == organic_of(body)
    monkeypatch.undo()
    while http.get("/readyz").json()["ledger"] == "down":
        assert time.monotonic() < deadline, "the ledger does not recover"
        time.sleep(0.05)
    assert some_ads(http, bodies)


def test_health_readiness_metrics_and_the_document_answer(http: TestClient, bodies: list[Body]) -> None:
    some_ads(http, bodies)
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz").json()
    assert ready["ready"] is True
    assert ready["ledger"] == "up"
    assert ready["ads"] > 0
    text = http.get("/metrics").text
    for name in ("requests_total", "request_seconds_bucket", "stage_seconds_sum", "candidates_left_total"):
        assert f"adsrank_{name}" in text
    assert "adsrank_ledger_up 1.0" in text
    document = http.get("/openapi.json").json()
    assert set(document["paths"]) == {"/v1/feed", "/v1/events", "/healthz", "/readyz", "/metrics"}
    assert "AdRequest" in document["components"]["schemas"]


def test_a_paused_campaign_is_gone_within_two_seconds(
    http: TestClient, settings: ServingSettings, bodies: list[Body]
) -> None:
    from adsrank.catalog.entities import Status
    from adsrank.catalog.store import Store

    shown = {ad["campaign_id"] for ad in some_ads(http, bodies)}
    store = Store(settings.database_url)
    paused = [c.model_copy(update={"status": Status.PAUSED}) for c in store.load().campaigns if c.id in shown]
    before = http.get("/readyz").json()["snapshot"]
    store.apply(paused)
    store.close()
    deadline = time.monotonic() + 2
    while http.get("/readyz").json()["snapshot"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    now = {e["campaign_id"] for body in bodies for e in post(http, body).json()["feed"] if e["type"] == "ad"}
    assert not now & shown


def test_every_decision_is_in_the_log_and_replays_exactly(
    settings: ServingSettings, bodies: list[Body]
) -> None:
    from auction.replay.replay import replay
    from serving.assembly import open_runtime

    with TestClient(create_app(open_runtime(settings))) as http:
        prices = [
            (body["request_id"], e["ad_id"], e["price_micros"])
            for body in bodies
            for e in post(http, body).json()["feed"]
            if e["type"] == "ad"
        ]
    logged = [
        (record.request_id, int(record.slate.ad_id[row]), int(record.outcome.price_micros[row]))
        for record in DecisionLog(settings.log_folder).records()
        for row in record.shown()
    ]
    assert sorted(logged) == sorted(prices)
    report = replay(settings.log_folder)
    assert report.decisions == len(bodies)
    assert report.differences == 0


def test_settled_events_stand_beside_the_decisions_for_training(
    settings: ServingSettings, bodies: list[Body]
) -> None:
    from auction.log.events import read_events
    from serving.assembly import open_runtime

    with TestClient(create_app(open_runtime(settings))) as http:
        ad = some_ads(http, bodies)[0]
        view = {"event_id": "v-1", "token": ad["token"], "type": "impression"}
        save = {"event_id": "s-1", "token": ad["token"], "type": "save"}
        results = http.post("/v1/events", json={"events": [view, save]}).json()["results"]
    tables = read_events(settings.log_folder)
    logged = {row["event_id"]: row for table in tables for row in table.to_pylist()}
    assert set(logged) == {"v-1", "s-1"}
    assert logged["v-1"]["ad_id"] == ad["ad_id"]
    assert logged["v-1"]["charge_micros"] == (results[0].get("charged_micros") or 0)


def test_the_client_and_the_server_understand_each_other(http: TestClient, bodies: list[Body]) -> None:
    client = AdsClient("http://testserver", timeout_s=10)
    client._http = http  # type: ignore[assignment]
    answers = [client.feed(body, explain=True) for body in bodies]
    assert {answer.degraded for answer in answers} == {None}
    ad = next(ad for answer in answers for ad in answer.ads)
    results = client.events([{"event_id": "c-1", "token": ad.token, "type": "impression"}]).results
    assert results[0].status in ("charged", "recorded")
