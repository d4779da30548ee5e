"""The gRPC door: the same verbs over protobuf, with errors as statuses and never a trace."""

import ipaddress
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from pydantic import BaseModel, ValidationError

from adsrank.request import AdRequest
from serving.batch import EventBatch
from serving.problem import FieldError, Refusal, invalid
from serving.proto import ads_pb2 as pb
from serving.runtime import Runtime

log = structlog.get_logger()
Model = TypeVar("Model", bound=BaseModel)
Answer = TypeVar("Answer", bound=Message)

MAX_DETAILS = 2000
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
GRADES = {1: "LOW", 2: "MEDIUM", 3: "HIGH"}
HOLDS = {1: "no_ad", 2: "for_ad", 3: "module"}


class Context(Protocol):
    """What is used of Ray Serve's context of a call."""

    def peer(self) -> str: ...
    def set_code(self, code: grpc.StatusCode) -> None: ...
    def set_details(self, details: str) -> None: ...


class GrpcDoor:
    """`Feed` and `Events` over a `Runtime`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._limit = runtime.settings.limits.max_body_bytes
        self._only_loopback = runtime.settings.loopback

    async def feed(self, request: pb.FeedRequest, context: Context) -> pb.FeedResponse:
        """As ``POST /v1/feed``."""
        return await self._answer(self._feed(request, context), context, pb.FeedResponse())

    async def events(self, request: pb.EventsRequest, context: Context) -> pb.EventsResponse:
        """As ``POST /v1/events``."""
        return await self._answer(self._events(request, context), context, pb.EventsResponse())

    async def _feed(self, request: pb.FeedRequest, context: Context) -> pb.FeedResponse:
        self._admit(request, context)
        asked = _validate(AdRequest, _request_fields(request))
        if unknown := len(UnknownFieldSet(request)):
            self._runtime.metrics.unknown.labels("grpc").inc(unknown)
        answer = await self._runtime.feeds.run(
            lambda waited: self._runtime.feed(asked, waited, request.explain)
        )
        return feed_message(answer)

    async def _events(self, request: pb.EventsRequest, context: Context) -> pb.EventsResponse:
        self._admit(request, context)
        batch = _validate(EventBatch, {"events": [_event_fields(event) for event in request.events]})
        results = await self._runtime.settlements.run(lambda _: self._runtime.ingest(batch.events))
        return pb.EventsResponse(
            results=[
                pb.EventResult(
                    event_id=result.event_id,
                    status=str(result.status),
                    charged_micros=result.charged_micros,
                    detail=result.detail or "",
                )
                for result in results
            ]
        )

    def _admit(self, request: Message, context: Context) -> None:
        # Serve opens a replica's own gRPC port on every interface, whatever host was asked for.
        if self._only_loopback and not from_this_machine(context.peer()):
            raise Refusal(403, "forbidden", "This server answers its own machine only")
        if request.ByteSize() > self._limit:
            raise Refusal(413, "body_too_large", "The message is too large", f"At most {self._limit} bytes.")

    async def _answer(self, work: Awaitable[Answer], context: Context, empty: Answer) -> Answer:
        try:
            return await work
        except Refusal as refusal:
            self._runtime.metrics.problems.labels(refusal.code).inc()
            context.set_code(CODES.get(refusal.status, grpc.StatusCode.UNKNOWN))
            context.set_details(details(refusal))
        except Exception as fault:
            log.error("rpc_failed", error=repr(fault), exc_info=True)
            self._runtime.metrics.problems.labels("internal").inc()
            context.set_code(grpc.StatusCode.INTERNAL)
            context.set_details("internal: the server failed")
        # Returned, not raised: Serve would add the exception's text, and a trace to its log.
        return empty


def details(refusal: Refusal) -> str:
    """A status message: the code, then the first refused fields."""
    parts = [refusal.code] + [f"{error.path}: {error.message}" for error in refusal.errors]
    return ": ".join([parts[0], "; ".join(parts[1:]) or refusal.detail or refusal.title])[:MAX_DETAILS]


def from_this_machine(peer: str) -> bool:
    """Whether a peer such as ``ipv4:127.0.0.1:5123`` or ``ipv6:%5B::1%5D:5123`` is this machine."""
    family, _, address = unquote(peer).partition(":")
    if family == "unix":
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _validate(model: type[Model], fields: dict[str, Any]) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from None


def _request_fields(request: pb.FeedRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": request.request_id,
        "user_id": request.user_id,
        "user_interests": list(request.user_interests),
        "recent_interests": list(request.recent_interests),
        "blocked_advertisers": list(request.blocked_advertisers),
        "hidden_ads": list(request.hidden_ads),
        "intents": [
            {
                "embedding": list(intent.embedding),
                "weight": intent.weight or 1.0,
                "source": intent.source or "user",
            }
            for intent in request.intents
        ],
        "organic": [
            {"id": item.id, "utility": item.utility, "grade": GRADES.get(item.grade)}
            for item in request.organic
        ],
        "recent_actions": [
            _action_fields(action, f"recent_actions[{at}].time_us")
            for at, action in enumerate(request.recent_actions)
        ],
        "held": [{"position": each.position, "hold": HOLDS.get(each.hold)} for each in request.held],
    }
    if request.surface:
        fields["surface"] = request.surface
    for name in (
        "country",
        "language",
        "device",
        "embedding_space",
        "positions_since_ad",
        "personalized",
        "deadline_ms",
    ):
        if request.HasField(name):
            fields[name] = getattr(request, name)
    if request.HasField("time_us"):
        fields["time"] = _time(request.time_us)
    return fields


def _action_fields(action: pb.Action, path: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": action.type, "time": _time(action.time_us, path)}
    for name in ("interest", "item"):
        if action.HasField(name):
            fields[name] = getattr(action, name)
    return fields


def _time(microseconds: int, path: str = "time_us") -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        error = FieldError(
            path=path,
            value=str(microseconds),
            message="not a time of this calendar",
            fix="give microseconds since 1970-01-01 UTC",
        )
        raise Refusal(422, "invalid_request", "The request is not valid", errors=[error]) from None


def _event_fields(event: pb.Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"event_id": event.event_id, "token": event.token, "type": event.type}
    if event.HasField("time_us"):
        fields["time"] = _time(event.time_us)
    for name in ("value_micros", "user_id"):
        if event.HasField(name):
            fields[name] = getattr(event, name)
    return fields


def feed_message(answer: dict[str, Any]) -> pb.FeedResponse:
    """The JSON form of a feed as its message."""
    message = pb.FeedResponse(
        request_id=answer["request_id"],
        degraded=answer["degraded"] or "",
        policy=answer["policy"] or "",
        bundle=answer["bundle"] or "",
        snapshot=answer["snapshot"] or "",
    )
    for entry in answer["feed"]:
        if entry["type"] == "organic":
            message.feed.add(position=entry["position"], organic_id=entry["id"])
        elif entry["type"] == "module":
            message.feed.add(position=entry["position"], module=True)
        else:
            ad = {name: value for name, value in entry.items() if name not in ("position", "type")}
            message.feed.add(position=entry["position"], ad=pb.AdPosition(**ad))
    for stage in answer.get("stages") or ():
        message.stages.add(**stage)
    return message
