"""A request's body, read with a limit and parsed straight from its bytes."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from serving.problem import Refusal, body_too_large, invalid

Model = TypeVar("Model", bound=BaseModel)


async def read(request: Request, limit: int) -> bytes:
    """The whole body; refused as soon as more than `limit` bytes are announced or have come.

    Raises:
        Refusal: 413, 415 or 400.
    """
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise Refusal(415, "unsupported_media_type", "The body must be JSON", "Send application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "unsupported_encoding", "Compressed bodies are not read", "Send it uncompressed.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:19]) > limit:
        raise body_too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise body_too_large(limit)
            parts.append(part)
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "The caller left before its body was read") from None
    return b"".join(parts)


def parse(model: type[Model], body: bytes) -> Model:
    """Validate JSON bytes as `model`; the parser bounds the depth of nesting at 200.

    Raises:
        Refusal: 400 not JSON, 422 not valid.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
