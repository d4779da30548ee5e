"""Errors as callers see them: RFC 9457 problem details with a stable code and field paths."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
MAX_TEXT = 120


class FieldError(BaseModel):
    """One refused field."""

    path: str = Field(description="organic[3].utility; empty for the body as a whole.")
    value: str | None = Field(None, description="What was found there, shortened.")
    message: str
    fix: str


class Problem(BaseModel):
    """The body of every answer that is not a success."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="Stable: branch on this, not on the title.")
    detail: str = ""
    errors: list[FieldError] = Field(default_factory=list)


@dataclass
class Refusal(Exception):
    """Raised anywhere in a handler; the edge turns it into a problem or a gRPC status."""

    status: int
    code: str
    title: str
    detail: str = ""
    errors: list[FieldError] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def problem(self) -> Problem:
        return Problem(
            title=self.title, status=self.status, code=self.code, detail=self.detail, errors=self.errors
        )


def overloaded(retry_after_s: int) -> Refusal:
    return Refusal(
        503,
        "overloaded",
        "The server has all the work it can hold",
        "Show the organic feed, and try again later.",
        headers={"Retry-After": str(retry_after_s)},
    )


def ledger_unavailable(retry_after_s: int) -> Refusal:
    return Refusal(
        503,
        "ledger_unavailable",
        "Events cannot be counted now",
        "Nothing was counted: send the same events again.",
        headers={"Retry-After": str(retry_after_s)},
    )


def body_too_large(limit: int) -> Refusal:
    return Refusal(413, "body_too_large", "The body is too large", f"At most {limit} bytes.")


def wrong_field(path: str, value: str, fix: str) -> Refusal:
    """A value that is well formed and cannot be used here."""
    error = FieldError(path=path, value=shorten(value), message="cannot be used here", fix=shorten(fix))
    return Refusal(422, "invalid_request", "The request is not valid", "1 field refused", [error])


def invalid(error: ValidationError) -> Refusal:
    """A body that is not JSON (400), or JSON that is not a valid request (422)."""
    found = error.errors(include_url=False, include_context=True)
    if found and found[0]["type"] == "json_invalid":
        reason = str(found[0].get("ctx", {}).get("error", found[0]["msg"]))
        return Refusal(400, "invalid_json", "The body is not valid JSON", shorten(reason))
    count = len(found)
    shown = f", the first {MAX_ERRORS} shown" if count > MAX_ERRORS else ""
    return Refusal(
        422,
        "invalid_request",
        "The request is not valid",
        f"{count} field{'s' if count != 1 else ''} refused{shown}",
        errors=[_field_error(each) for each in found[:MAX_ERRORS]],
    )


def _field_error(error: ErrorDetails) -> FieldError:
    message = error["msg"].removeprefix("Value error, ")
    path = field_path(error["loc"])
    if not path and ": " in message:
        head, _, tail = message.partition(": ")
        if head.replace("_", "").replace(".", "").isalnum():
            path, message = head, tail
    missing = error["type"] == "missing"
    fix = "add this field" if missing else _fix(error)
    value = None if missing or error["type"] == "value_error" else shorten(repr(error["input"]))
    return FieldError(path=path, value=value, message=shorten(message), fix=shorten(fix))


def _fix(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    message = error["msg"].removeprefix("Value error, ")
    if "expected" in context:
        return f"give {context['expected']}"
    if "; " in message:
        return message.rpartition("; ")[2]
    return message[:1].lower() + message[1:]


def field_path(location: Sequence[int | str]) -> str:
    """``("organic", 3, "utility")`` -> ``organic[3].utility``; alien keys are shortened."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{shorten(part)}" if path else shorten(part)
    return shorten(path)


def shorten(text: str) -> str:
    """At most `MAX_TEXT` characters, so that an error never echoes a huge value."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
