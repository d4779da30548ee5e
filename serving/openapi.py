"""The parts of the OpenAPI document that bodies parsed from bytes do not declare by themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from adsrank.request import AdRequest
from serving.answer import EventsResponse, FeedResponse
from serving.batch import EventBatch
from serving.events import Event
from serving.problem import MEDIA_TYPE, Problem


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _schema(name)}}}


def _answers(name: str, *problems: tuple[int, str]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {"description": "Answered", "content": {"application/json": {"schema": _schema(name)}}}
    }
    for status, text in problems:
        answers[str(status)] = {"description": text, "content": {MEDIA_TYPE: {"schema": _schema("Problem")}}}
    return answers


_REFUSALS = (
    (400, "Not JSON"),
    (413, "Too large"),
    (415, "Not application/json"),
    (422, "A field is refused"),
    (500, "The server failed"),
    (503, "Overloaded: see Retry-After, and show the organic feed"),
)

FEED: dict[str, Any] = {
    "requestBody": _body("AdRequest"),
    "responses": _answers("FeedResponse", *_REFUSALS),
    "parameters": [
        {
            "name": "explain",
            "in": "query",
            "required": False,
            "description": "Answer the table of stages and reasons as well.",
            "schema": {"type": "boolean", "default": False},
        }
    ],
}
EVENTS: dict[str, Any] = {
    "requestBody": _body("EventBatch"),
    "responses": _answers("EventsResponse", *_REFUSALS),
}
HEALTH: dict[str, Any] = {"responses": _answers("Health")}
READY: dict[str, Any] = {
    "responses": {
        **_answers("Ready"),
        "503": {"description": "Not ready", "content": {"application/json": {"schema": _schema("Ready")}}},
    }
}
METRICS: dict[str, Any] = {
    "responses": {
        "200": {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }
}


class Health(BaseModel):
    status: str


class Ready(BaseModel):
    ready: bool
    ledger: str
    policy: str
    bundle: str
    snapshot: str
    ads: int


def complete(app: FastAPI) -> None:
    """Give `app` a document with the schemas that its routes refer to."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas: dict[str, Any] = {}
            for mode, models in (
                ("validation", (AdRequest, EventBatch, Event)),
                ("serialization", (FeedResponse, EventsResponse, Problem, Health, Ready)),
            ):
                _, found = models_json_schema(
                    [(model, mode) for model in models],  # type: ignore[misc]
                    ref_template="#/components/schemas/{model}",
                )
                schemas.update(found["$defs"])
            schema["components"] = {"schemas": schemas}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
