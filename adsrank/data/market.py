"""A whole market from one seed: the world, its advertisers, and the log of the weeks before it opens."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from adsrank.data import builtin, pinterest
from adsrank.data.advertise import advertise
from adsrank.data.history import history
from adsrank.data.law import Law
from adsrank.data.truth import Truth
from adsrank.data.world import World

LOG_DAYS = 14


@dataclass(frozen=True, slots=True)
class Market:
    """What the engine may see of a market: the world, the catalog and the log. The seed makes the rest."""

    world: World
    rows: list[dict[str, Any]]
    """Catalog rows (dicts with `kind`), as `catalog.jsonl` has them."""
    examples: pa.Table
    """The log of the `LOG_DAYS` before `opens`, in `features.examples.SCHEMA`."""
    seed: int

    @property
    def opens(self) -> datetime:
        """When the log ends and traffic may begin."""
        return datetime.fromtimestamp(self.world.epoch, UTC) + timedelta(days=LOG_DAYS)

    def truth(self, law: Law | None = None) -> Truth:
        """How users react: for tests and for the simulator of users, not for the engine."""
        return Truth(self.world, self.rows, self.seed, law)


def make(
    seed: int,
    data: str | Path | None = None,
    *,
    limit: int | None = None,
    users: int = 3000,
    pins: int = 8000,
    advertisers: int = 150,
    ads: int = 4000,
    impressions: int = 200_000,
    requests_per_day: int = 20_000,
    law: Law | None = None,
) -> Market:
    """The built-in market, or with `data` (file or folder of user-pin saves) the one on real pins.

    `limit` reads the first users of `data` only; `users` and `pins` count for the built-in world only.

    Raises:
        InputError: what the loader and the generators refuse.
    """
    world = builtin.generate(seed, users, pins) if data is None else pinterest.load(data, seed, limit)
    opens = datetime.fromtimestamp(world.epoch, UTC) + timedelta(days=LOG_DAYS)
    rows = advertise(world, seed, advertisers, ads, opens, requests_per_day)
    examples = history(Truth(world, rows, seed, law), seed, opens, LOG_DAYS, impressions)
    return Market(world, rows, examples, seed)
