"""What a mixer holds, through both doors of a real runtime and into its log."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import orjson
import pytest
from starlette.testclient import TestClient

from adsrank.passage import Passage
from adsrank.request import AdRequest
from auction.log.reader import DecisionLog
from auction.replay.replay import replay
from serving.answer import FeedResponse
from serving.assembly import open_runtime
from serving.client import AdsClient
from serving.grpc import GrpcDoor
from serving.http import create_app
from serving.proto import ads_pb2 as pb
from serving.runtime import Runtime
from serving.settings import ServingSettings

Body = dict[str, Any]
HELD = [
    {"position": 3, "hold": "module"},
    {"position": 1, "hold": "no_ad"},
    {"position": 6, "hold": "for_ad"},
    {"position": 8, "hold": "module"},
]
CODES = {"no_ad": pb.HOLD_NO_AD, "for_ad": pb.HOLD_FOR_AD, "module": pb.HOLD_MODULE}


@pytest.fixture
def http(runtime: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(runtime), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def late(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request finds its deadline passed."""

    def drag(self: object, passage: Passage) -> None:
        passage.deadline = 0.0

    monkeypatch.setattr(type(runtime.engine.stages[3]), "run", drag)


class Call:
    """A gRPC context that remembers its status."""

    code: grpc.StatusCode | None = None
    details = ""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:9"

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details


def message(body: Body, held: list[Body]) -> pb.FeedRequest:
    asked = AdRequest.model_validate(body)
    return pb.FeedRequest(
        request_id=asked.request_id,
        user_id=asked.user_id,
        surface=asked.surface.value,
        time_us=round(asked.time.timestamp() * 1e6),
        country=asked.country,
        language=asked.language,
        device=asked.device,
        intents=[pb.Intent(embedding=i.embedding, weight=i.weight, source=i.source) for i in asked.intents],
        user_interests=asked.user_interests,
        recent_interests=asked.recent_interests,
        recent_actions=[
            pb.Action(
                type=each.type.value,
                interest=each.interest,
                item=each.item,
                time_us=round(each.time.timestamp() * 1e6),
            )
            for each in asked.recent_actions
        ],
        organic=[
            pb.OrganicItem(id=item.id, utility=item.utility, grade=pb.Grade.Value(f"GRADE_{item.grade.name}"))
            for item in asked.organic
        ],
        positions_since_ad=asked.positions_since_ad,
        held=[pb.Held(position=each["position"], hold=CODES[each["hold"]]) for each in held],
    )


def over_http(http: TestClient, body: Body, held: list[Body]) -> Body:
    answer = http.post("/v1/feed", content=orjson.dumps({**body, "held": held}))
    assert answer.status_code == 200, answer.text
    FeedResponse.model_validate(answer.json())
    found: Body = answer.json()
    return found


def over_grpc(runtime: Runtime, body: Body, held: list[Body]) -> pb.FeedResponse:
    call = Call()
    answer = asyncio.run(GrpcDoor(runtime).feed(message(body, held), call))
    assert call.code is None, call.details
    return answer


def shape(entry: Body) -> tuple[Any, ...]:
    what = {"organic": entry.get("id"), "ad": (entry.get("ad_id"), entry.get("price_micros")), "module": True}
    return entry["position"], entry["type"], what[entry["type"]]


def shape_of(entry: pb.FeedPosition) -> tuple[Any, ...]:
    if entry.WhichOneof("entry") == "organic_id":
        return entry.position, "organic", entry.organic_id
    if entry.WhichOneof("entry") == "ad":
        return entry.position, "ad", (entry.ad.ad_id, entry.ad.price_micros)
    return entry.position, entry.WhichOneof("entry"), entry.module


def test_both_doors_answer_a_late_request_with_its_modules_in_place(
    runtime: Runtime, http: TestClient, bodies: list[Body], late: None
) -> None:
    answer = over_http(http, bodies[0], HELD)
    assert answer["degraded"] == "deadline"
    page = [shape(entry) for entry in answer["feed"]]
    assert [place for place, kind, _ in page if kind == "module"] == [3, 8]
    assert [what for _, kind, what in page if kind == "organic"] == [i["id"] for i in bodies[0]["organic"]]
    assert [place for place, _, _ in page] == list(range(1, len(bodies[0]["organic"]) + 3))
    assert [shape_of(entry) for entry in over_grpc(runtime, bodies[0], HELD).feed] == page


def test_the_feed_without_a_decision_keeps_the_modules_too(
    runtime: Runtime, http: TestClient, bodies: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the log is broken")

    monkeypatch.setattr(runtime.log, "append", fail)
    answer = over_http(http, bodies[0], HELD)
    assert answer["degraded"] == "fault:answer"
    assert [entry["position"] for entry in answer["feed"] if entry["type"] == "module"] == [3, 8]


def test_both_doors_hold_the_same_positions(runtime: Runtime, http: TestClient, bodies: list[Body]) -> None:
    ads = 0
    for body in bodies[:12]:
        answer = over_http(http, body, HELD)
        assert answer["degraded"] is None
        page = [shape(entry) for entry in answer["feed"]]
        assert [place for place, kind, _ in page if kind == "module"] == [3, 8]
        assert page[0][1] == "organic"
        assert [what for _, kind, what in page if kind == "organic"] == [i["id"] for i in body["organic"]]
        assert [shape_of(entry) for entry in over_grpc(runtime, body, HELD).feed] == page
        ads += sum(kind == "ad" for _, kind, _ in page)
    assert ads


def test_the_client_takes_the_server_s_feeds_with_modules(http: TestClient, bodies: list[Body]) -> None:
    client = AdsClient("http://testserver", timeout_s=10)
    client._http = http  # type: ignore[assignment]
    for body in bodies[:10]:
        answer = client.feed({**body, "held": HELD})
        assert answer.degraded is None
        assert [entry.position for entry in answer.feed if entry.type == "module"] == [3, 8]


def test_a_hold_that_grpc_cannot_name_is_refused_with_its_place(runtime: Runtime, bodies: list[Body]) -> None:
    for hold, place in (
        (pb.Held(position=1), "held[0].hold"),
        (pb.Held(position=1, hold=9), "held[0].hold"),  # type: ignore[arg-type]
        (pb.Held(hold=pb.HOLD_NO_AD), "held[0].position"),
    ):
        call, asked = Call(), message(bodies[0], [])
        asked.held.append(hold)
        answer = asyncio.run(GrpcDoor(runtime).feed(asked, call))
        assert not answer.feed
        assert call.code is grpc.StatusCode.INVALID_ARGUMENT
        assert place in call.details


def test_unknown_fields_of_a_hold_are_tolerated_and_counted(http: TestClient, bodies: list[Body]) -> None:
    over_http(http, bodies[0], [{**HELD[0], "why": "a shelf of stories"}])
    assert 'adsrank_unknown_fields_total{part="held"} 1.0' in http.get("/metrics").text


def test_held_positions_are_in_the_log_and_replay_exactly(
    settings: ServingSettings, bodies: list[Body]
) -> None:
    with TestClient(create_app(open_runtime(settings))) as http:
        for number, body in enumerate(bodies[:20]):
            over_http(http, body, HELD if number % 2 else [])
    records = {record.request_id: record for record in DecisionLog(settings.log_folder).records()}
    for number, body in enumerate(bodies[:20]):
        hold = records[body["request_id"]].slate.hold
        assert hold is not None
        assert hold.tolist() == ([1, 0, 3, 0, 0, 2, 0, 3] if number % 2 else [])
    report = replay(settings.log_folder)
    assert (report.decisions, report.differences) == (20, 0)
