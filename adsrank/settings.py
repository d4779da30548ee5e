"""Settings of a decision, apart from the engine so that reading them loads no model library."""

from pydantic import Field

from auction.settings import Settings


class EngineSettings(Settings):
    """Sizes and times of a decision."""

    rank: int = Field(200, ge=1, le=10_000, description="Candidates that the heavy model scores.")
    deadline_ms: int = Field(100, ge=1, le=10_000, description="Where the request names none.")
    hold_seconds: float = Field(3600.0, gt=0, description="How long a placement holds its budget.")
