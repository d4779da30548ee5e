"""The client library: the organic feed comes back, whatever happens to the server."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import orjson
import pytest

from adsrank.request import AdRequest
from serving.answer import FeedResponse
from serving.client import AdsClient, AsyncAdsClient, EventsUndelivered, RequestRefused

REQUEST = {
    "request_id": "r-1",
    "user_id": "u-1",
    "organic": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
}
AD = {
    "position": 2,
    "type": "ad",
    "ad_id": 7,
    "title": "Lamp",
    "advertiser_id": 1,
    "campaign_id": 3,
    "destination_url": "https://shop.example/7",
    "price_micros": 1_600_000,
    "billable_event": "CLICK",
    "token": "t",
    "disclosure": "Promoted",
    "why": "matches an interest of yours",
}


def organic(position: int, id: str) -> dict[str, object]:
    return {"position": position, "type": "organic", "id": id}


def answer(*entries: object, request_id: str = "r-1", **more: object) -> bytes:
    return orjson.dumps({"request_id": request_id, "feed": list(entries), "degraded": None, **more})


GOOD = answer(organic(1, "a"), AD, organic(3, "b"), organic(4, "c"))


def client_of(reply: Callable[[httpx.Request], httpx.Response], **options: bool) -> AdsClient:
    return AdsClient("http://ads.example", transport=httpx.MockTransport(reply), **options)


def assert_organic(response: FeedResponse, why: str) -> None:
    assert [(entry.position, entry.type, getattr(entry, "id", None)) for entry in response.feed] == [
        (1, "organic", "a"),
        (2, "organic", "b"),
        (3, "organic", "c"),
    ]
    assert response.request_id == "r-1"
    assert response.degraded == f"client:{why}"


def test_the_servers_feed_is_returned_with_its_ads() -> None:
    with client_of(lambda _: httpx.Response(200, content=GOOD)) as client:
        response = client.feed(REQUEST)
    assert response.degraded is None
    assert [ad.ad_id for ad in response.ads] == [7]
    assert response.ads[0].price_micros == 1_600_000


def test_a_typed_request_and_its_mapping_send_the_same_items() -> None:
    bodies = []

    def reply(request: httpx.Request) -> httpx.Response:
        bodies.append(orjson.loads(request.content))
        return httpx.Response(200, content=GOOD)

    with client_of(reply) as client:
        client.feed(REQUEST)
        assert client.feed(AdRequest.model_validate(REQUEST)).degraded is None
    assert [item["id"] for item in bodies[0]["organic"]] == [item["id"] for item in bodies[1]["organic"]]
    assert bodies[0]["request_id"] == bodies[1]["request_id"]


def test_explain_is_asked_for_in_the_query() -> None:
    seen = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, content=GOOD)

    with client_of(reply) as client:
        client.feed(REQUEST, explain=True)
    assert seen == ["http://ads.example/v1/feed?explain=true"]


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b"boom", "status_500"),
        (503, b'{"title":"full","status":503,"code":"overloaded"}', "status_503"),
        (429, b"", "status_429"),
        (404, b"<html>not us</html>", "status_404"),
        (307, b"", "status_307"),
        (200, b"", "invalid_answer"),
        (200, b"\xff\xfe garbage", "invalid_answer"),
        (200, b"[1, 2", "invalid_answer"),
        (200, b'{"request_id": "r-1", "feed": [{"position": 1, "type": "banner"}]}', "invalid_answer"),
        (200, b"[" * 100_000, "invalid_answer"),
        (200, b" " * 4_000_001, "invalid_answer"),
    ],
)
def test_whatever_else_comes_the_feed_is_organic(status: int, body: bytes, why: str) -> None:
    with client_of(lambda _: httpx.Response(status, content=body)) as client:
        assert_organic(client.feed(REQUEST), why)


@pytest.mark.parametrize(
    "body",
    [
        answer(organic(1, "a"), organic(2, "b"), organic(3, "c"), request_id="r-2"),
        answer(organic(1, "a"), organic(2, "b")),
        answer(organic(1, "b"), organic(2, "a"), organic(3, "c")),
        answer(organic(1, "a"), organic(2, "b"), organic(4, "c")),
        answer(),
    ],
    ids=["another request's", "an item lost", "another order", "a position skipped", "nothing"],
)
def test_an_answer_that_harms_the_organic_feed_is_not_shown(body: bytes) -> None:
    with client_of(lambda _: httpx.Response(200, content=body)) as client:
        assert_organic(client.feed(REQUEST), "wrong_answer")


def test_a_dead_port_gives_the_organic_feed() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with AdsClient(f"http://127.0.0.1:{port}") as client:
        assert_organic(client.feed(REQUEST), "unreachable")


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A listener that runs `talk` on each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(connection)
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection: socket.socket) -> None:
        with suppress(OSError):
            talk(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in open_sockets:
            each.close()


def silent(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(5)


def dripping(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.02)


def rude(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x00\x01\x02 no HTTP at all\r\n\r\n")
    connection.close()


@pytest.mark.parametrize(("talk", "why"), [(silent, "timeout"), (dripping, "timeout"), (rude, "unreachable")])
def test_slow_and_rude_servers_give_the_organic_feed(talk: Callable[[socket.socket], None], why: str) -> None:
    async def ask(url: str) -> FeedResponse:
        async with AsyncAdsClient(url, timeout_s=0.2) as client:
            return await client.feed(REQUEST)

    with server(talk) as url:
        with AdsClient(url, timeout_s=0.2) as client:
            assert_organic(client.feed(REQUEST), why)
        assert_organic(asyncio.run(ask(url)), why)


def test_a_request_that_cannot_be_encoded_still_has_its_organic_feed() -> None:
    with client_of(lambda _: httpx.Response(200, content=GOOD)) as client:
        assert_organic(client.feed({**REQUEST, "intents": object()}), "unencodable")


PROBLEM = orjson.dumps(
    {
        "title": "The request is not valid",
        "status": 422,
        "code": "invalid_request",
        "errors": [{"path": "organic[0].utility", "message": "must be finite", "fix": "give a number"}],
    }
)


def test_a_refused_request_is_organic_by_default_and_an_error_when_strict() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(422, content=PROBLEM)

    with client_of(refuse) as client:
        assert_organic(client.feed(REQUEST), "status_422")
    refused = pytest.raises(RequestRefused, match=r"organic\[0\]\.utility")
    with client_of(refuse, strict=True) as client, refused as caught:
        client.feed(REQUEST)
    assert caught.value.problem.code == "invalid_request"


def test_strict_does_not_raise_for_the_servers_own_troubles() -> None:
    for status in (429, 500, 503):
        with client_of(lambda _, s=status: httpx.Response(s), strict=True) as client:
            assert_organic(client.feed(REQUEST), f"status_{status}")


def test_a_cancelled_call_stays_cancelled() -> None:
    async def run(url: str) -> None:
        async with AsyncAdsClient(url, timeout_s=5) as client:
            task = asyncio.create_task(client.feed(REQUEST))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with server(silent) as url:
        asyncio.run(run(url))


EVENT = {"event_id": "e-1", "token": "t", "type": "impression"}


def test_events_are_answered_by_id() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        assert orjson.loads(request.content) == {"events": [EVENT]}
        return httpx.Response(200, json={"results": [{"event_id": "e-1", "status": "charged"}]})

    with client_of(reply) as client:
        assert client.events([EVENT]).results[0].status == "charged"


@pytest.mark.parametrize(("status", "body"), [(503, b""), (500, b"x"), (200, b"nonsense"), (429, b"")])
def test_events_that_may_not_have_arrived_raise_so_that_they_are_sent_again(status: int, body: bytes) -> None:
    client = client_of(lambda _: httpx.Response(status, content=body))
    with client, pytest.raises(EventsUndelivered):
        client.events([EVENT])


def test_events_to_a_dead_server_raise_and_a_refused_batch_says_so() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with client_of(away) as client, pytest.raises(EventsUndelivered):
        client.events([EVENT])
    client = client_of(lambda _: httpx.Response(422, content=PROBLEM))
    with client, pytest.raises(RequestRefused):
        client.events([EVENT])


HELD = {
    **REQUEST,
    "held": [
        {"position": 2, "hold": "module"},
        {"position": 1, "hold": "no_ad"},
        {"position": 9, "hold": "module"},
    ],
}
MODULE = {"position": 2, "type": "module"}


def places(response: FeedResponse) -> list[tuple[int, str]]:
    return [(entry.position, entry.type) for entry in response.feed]


def test_a_module_of_the_mixer_keeps_its_position_in_the_answer() -> None:
    ad = {**AD, "position": 4}
    good = answer(organic(1, "a"), MODULE, organic(3, "b"), ad, organic(5, "c"))
    with client_of(lambda _: httpx.Response(200, content=good)) as client:
        response = client.feed(HELD)
    assert response.degraded is None
    assert [each.position for each in response.ads] == [4]
    assert places(response)[1] == (2, "module")


@pytest.mark.parametrize("request_form", [HELD, AdRequest.model_validate(HELD)], ids=["mapping", "typed"])
def test_a_module_keeps_its_position_when_the_server_does_not_answer(request_form: object) -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    with client_of(away) as client:
        response = client.feed(request_form)  # type: ignore[arg-type]
    assert response.degraded == "client:unreachable"
    assert places(response) == [(1, "organic"), (2, "module"), (3, "organic"), (4, "organic")]


@pytest.mark.parametrize(
    "feed",
    [
        [organic(1, "a"), AD, organic(3, "b"), organic(4, "c")],
        [organic(1, "a"), organic(2, "b"), organic(3, "c")],
        [organic(1, "a"), MODULE, {**MODULE, "position": 3}, organic(4, "b"), organic(5, "c")],
    ],
    ids=["an ad in its place", "an organic item in its place", "one that nobody held"],
)
def test_an_answer_that_misplaces_a_module_is_not_shown(feed: list[object]) -> None:
    with client_of(lambda _: httpx.Response(200, content=answer(*feed))) as client:
        response = client.feed(HELD)
    assert response.degraded == "client:wrong_answer"
    assert places(response)[1] == (2, "module")


@pytest.mark.parametrize(
    "held", ["module", {"position": 1}, [None, 3, {"hold": "module"}, {"position": "1", "hold": "module"}], 7]
)
def test_holds_that_are_none_do_not_cost_the_feed(held: object) -> None:
    with client_of(lambda _: httpx.Response(422, content=b"{}")) as client:
        assert_organic(client.feed({**REQUEST, "held": held}), "status_422")
