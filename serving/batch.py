"""The body of ``POST /v1/events``."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from serving.events import MAX_BATCH

_ITEMS = {"type": "array", "maxItems": MAX_BATCH, "items": {"$ref": "#/components/schemas/Event"}}


class EventBatch(BaseModel):
    """Events, each read and answered for itself: one that is not valid never holds up the others."""

    model_config = ConfigDict(extra="allow", frozen=True)

    events: Annotated[list[Any], Field(max_length=MAX_BATCH), WithJsonSchema(_ITEMS)]
