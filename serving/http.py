"""The HTTP door: routes over a `Runtime`, and errors as problem+json."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adsrank.request import AdRequest
from serving import openapi
from serving.batch import EventBatch
from serving.body import parse, read
from serving.metrics import MEDIA_TYPE as METRICS_TYPE
from serving.problem import MEDIA_TYPE, Refusal
from serving.runtime import Runtime

log = structlog.get_logger()
CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(runtime: Runtime) -> FastAPI:
    """The ASGI application of one replica. It closes the runtime at its shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        try:
            yield
        finally:
            runtime.close()

    app = FastAPI(
        title="adsrank",
        version=version("adsrank"),
        description="Organic items in, the feed to show out: ads placed among them, priced and explained.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    limit = runtime.settings.limits.max_body_bytes

    @app.post("/v1/feed", openapi_extra=openapi.FEED)
    async def feed(request: Request) -> Response:
        """The feed to show for one request."""
        explain = request.query_params.get("explain", "").lower() in ("1", "true")
        asked = parse(AdRequest, await read(request, limit))
        return _json(await runtime.feeds.run(lambda waited: runtime.feed(asked, waited, explain)))

    @app.post("/v1/events", openapi_extra=openapi.EVENTS)
    async def events(request: Request) -> Response:
        """What came of placements: impressions, clicks, conversions, saves, hides."""
        batch = parse(EventBatch, await read(request, limit))
        results = await runtime.settlements.run(lambda _: runtime.ingest(batch.events))
        return _json({"results": [result.model_dump(mode="json", exclude_none=True) for result in results]})

    @app.get("/healthz", openapi_extra=openapi.HEALTH)
    async def healthz(request: Request) -> Response:
        """Whether the process lives."""
        return _json({"status": "ok"})

    @app.get("/readyz", openapi_extra=openapi.READY)
    async def readyz(request: Request) -> Response:
        """Whether it can decide, and what it decides with."""
        state = runtime.state()
        return _json(state, 200 if state["ready"] else 503)

    @app.get("/metrics", openapi_extra=openapi.METRICS)
    async def metrics(request: Request) -> Response:
        """Counters of all replicas of this machine."""
        return Response(runtime.metrics.text(), media_type=METRICS_TYPE)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        runtime.metrics.problems.labels(error.code).inc()
        return _problem(error)

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = CODES.get(error.status_code, "http_error")
        runtime.metrics.problems.labels(code).inc()
        headers = dict(error.headers or {})
        return _problem(Refusal(error.status_code, code, error.detail, headers=headers))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_middleware(Edge, runtime=runtime)
    openapi.complete(app)
    return app


class Edge:
    """The outermost layer: a fault that got this far is logged here and answered without its trace."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self.app = app
        self.runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception as fault:
            log.error("request_failed", path=scope["path"], error=repr(fault), exc_info=True)
            self.runtime.metrics.problems.labels("internal").inc()
            if started:
                raise
            await _problem(Refusal(500, "internal", "The server failed"))(scope, receive, send)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _problem(error: Refusal) -> Response:
    body = error.problem().model_dump_json(exclude_none=True)
    return Response(body, error.status, error.headers, media_type=MEDIA_TYPE)
