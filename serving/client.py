"""The client library: the feed to show, whatever happens to the server."""

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from adsrank.request import AdRequest, HeldAs
from serving.answer import EventsResponse, FeedResponse, organic_only
from serving.problem import FieldError, Problem

MAX_ANSWER_BYTES = 4_000_000

Asked = AdRequest | Mapping[str, Any]


class RequestRefused(ValueError):
    """The server refused the request itself (4xx): `problem` says which field and why."""

    def __init__(self, problem: Problem) -> None:
        first = "; ".join(f"{error.path}: {error.message}" for error in problem.errors[:3])
        super().__init__(f"{problem.code}: {first or problem.detail or problem.title}")
        self.problem = problem


class EventsUndelivered(ConnectionError):
    """The events did not reach the server, or its answer did not come back: send the same again.

    Event ids make that safe: what was already counted is answered as `duplicate`.
    """


class _Refused(Exception):
    """Why the server's answer cannot be used."""

    def __init__(self, why: str, problem: Problem | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.problem = problem


class _Calls:
    """What both clients share: everything but the waiting."""

    def __init__(self, url: str, timeout_s: float, strict: bool) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self.strict = strict

    def _options(self, transport: Any) -> dict[str, Any]:
        # No redirects, no proxies from the environment: the answer of a stranger is not a feed.
        return {
            "base_url": self.url,
            "timeout": self.timeout_s,
            "transport": transport,
            "trust_env": False,
            "follow_redirects": False,
            "headers": {"content-type": "application/json", "accept": "application/json"},
        }

    def _fall_back(self, request: Asked, error: Exception) -> FeedResponse:
        if isinstance(error, _Refused):
            if self.strict and error.problem is not None and _at_fault(error.problem):
                raise RequestRefused(error.problem) from None
            why = error.why
        elif isinstance(error, httpx.TimeoutException | TimeoutError):
            why = "timeout"
        elif isinstance(error, httpx.TransportError):
            why = "unreachable"
        else:
            why = "unencodable"
        request_id, organic = _organic(request)
        answer = organic_only(request_id, organic, f"client:{why}", _modules(request))
        return FeedResponse.model_validate(answer)


class AdsClient(_Calls):
    """Asks a server for feeds; on any failure the organic feed comes back, unchanged and marked.

    `strict` raises `RequestRefused` where the request itself is at fault (a 422), for development.
    Safe to share between threads.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = 0.25,
        strict: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, timeout_s, strict)
        self._http = httpx.Client(**self._options(transport))

    def feed(self, request: Asked, *, explain: bool = False) -> FeedResponse:
        """The feed to show for `request` (an `AdRequest`, or a mapping in its JSON form).

        Raises:
            RequestRefused: only when `strict`.
        """
        try:
            deadline = monotonic() + self.timeout_s
            with self._http.stream("POST", _path(explain), content=_encode(request)) as answer:
                body = bytearray()
                for part in answer.iter_bytes():
                    # httpx bounds each read, not all of them: a server that drips must not hold the feed.
                    if monotonic() > deadline:
                        raise TimeoutError
                    _append(body, part)
            return _read(answer, bytes(body), request)
        except Exception as error:
            return self._fall_back(request, error)

    def events(
        self, events: Iterable[BaseModel | Mapping[str, Any]], *, timeout_s: float = 5.0
    ) -> EventsResponse:
        """Report events; each is answered by its id.

        Raises:
            EventsUndelivered: try again with the same event ids.
            RequestRefused: the batch is not valid; trying again will not help.
        """
        body = _encode_events(events)
        try:
            return _read_events(self._http.post("/v1/events", content=body, timeout=timeout_s))
        except httpx.HTTPError as error:
            raise EventsUndelivered(str(error) or type(error).__name__) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncAdsClient(_Calls):
    """`AdsClient` for asyncio. A cancelled call stays cancelled."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout_s: float = 0.25,
        strict: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, timeout_s, strict)
        self._http = httpx.AsyncClient(**self._options(transport))

    async def feed(self, request: Asked, *, explain: bool = False) -> FeedResponse:
        """As `AdsClient.feed`."""
        try:
            async with asyncio.timeout(self.timeout_s):
                async with self._http.stream("POST", _path(explain), content=_encode(request)) as answer:
                    body = bytearray()
                    async for part in answer.aiter_bytes():
                        _append(body, part)
            return _read(answer, bytes(body), request)
        except Exception as error:
            return self._fall_back(request, error)

    async def events(
        self, events: Iterable[BaseModel | Mapping[str, Any]], *, timeout_s: float = 5.0
    ) -> EventsResponse:
        """As `AdsClient.events`."""
        body = _encode_events(events)
        try:
            return _read_events(await self._http.post("/v1/events", content=body, timeout=timeout_s))
        except httpx.HTTPError as error:
            raise EventsUndelivered(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _at_fault(problem: Problem) -> bool:
    """Whether the caller must change something: 408 and 429 are the server's own troubles."""
    return 400 <= problem.status < 500 and problem.status not in (408, 429)


def _path(explain: bool) -> str:
    return "/v1/feed?explain=true" if explain else "/v1/feed"


def _encode(request: Asked) -> bytes:
    if isinstance(request, AdRequest):
        return request.model_dump_json().encode()
    return orjson.dumps(dict(request))


def _encode_events(events: Iterable[BaseModel | Mapping[str, Any]]) -> bytes:
    plain = [
        event.model_dump(mode="json", exclude_none=True) if isinstance(event, BaseModel) else dict(event)
        for event in events
    ]
    return orjson.dumps({"events": plain})


def _organic(request: Asked) -> tuple[str, list[str]]:
    """Request id and organic ids of whatever the caller gave, in its order; never raises."""
    if isinstance(request, AdRequest):
        return request.request_id, [item.id for item in request.organic]
    items = request.get("organic") or []
    if not isinstance(items, list | tuple):
        items = []
    ids = [str(item["id"]) for item in items if isinstance(item, Mapping) and "id" in item]
    return str(request.get("request_id", "")), ids


def _modules(request: Asked) -> frozenset[int]:
    """Positions that the caller fills itself, of whatever it gave; never raises."""
    if isinstance(request, AdRequest):
        return request.modules
    entries = request.get("held") or []
    if not isinstance(entries, list | tuple):
        return frozenset()
    held = [each for each in entries if isinstance(each, Mapping) and each.get("hold") == HeldAs.MODULE.value]
    return frozenset(each["position"] for each in held if type(each.get("position")) is int)


def _append(body: bytearray, part: bytes) -> None:
    if len(body) + len(part) > MAX_ANSWER_BYTES:
        raise _Refused("invalid_answer")
    body += part


def _read(answer: httpx.Response, body: bytes, request: Asked) -> FeedResponse:
    """The server's feed, if it is one: it answers this request, with its organic items, all and in order,
    and the positions left to the caller's modules that the caller held."""
    _accept(answer, body)
    try:
        response = FeedResponse.model_validate_json(body)
    except ValidationError:
        raise _Refused("invalid_answer") from None
    request_id, organic = _organic(request)
    shown = [entry.id for entry in response.feed if entry.type == "organic"]
    places = [entry.position for entry in response.feed]
    left = {entry.position for entry in response.feed if entry.type == "module"}
    held = {place for place in _modules(request) if 1 <= place <= len(places)}
    in_order = shown == organic and places == list(range(1, len(places) + 1))
    if response.request_id != request_id or not in_order or left != held:
        raise _Refused("wrong_answer")
    return response


def _read_events(answer: httpx.Response) -> EventsResponse:
    try:
        _accept(answer, answer.content)
        return EventsResponse.model_validate_json(answer.content)
    except ValidationError:
        raise EventsUndelivered("invalid_answer") from None
    except _Refused as refused:
        _raise_refused(refused)


def _raise_refused(refused: _Refused) -> NoReturn:
    problem = refused.problem
    if problem is not None and _at_fault(problem):
        raise RequestRefused(problem) from None
    raise EventsUndelivered(refused.why) from None


def _accept(answer: httpx.Response, body: bytes) -> None:
    if answer.status_code == 200:
        return
    why = f"status_{answer.status_code}"
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        problem = Problem(
            title=answer.reason_phrase, status=answer.status_code, code=why, errors=list[FieldError]()
        )
    raise _Refused(why, problem)
