"""One decision, with everything that it takes to decide it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from auction.batch import column_of
from auction.errors import InputError
from auction.outcome import Outcome
from auction.reason import Reason
from auction.slate import AD_COLUMNS, ORGANIC_COLUMNS, POSITION_COLUMNS, Float64, Int64, Slate

SCHEMA_VERSION = 2
"""Stands in every file and every row. Raised when a reader of before could misread a row."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Ads that left before the auction, at one stage for one reason."""

    stage: str
    reason: Reason
    ad_id: Int64


@dataclass(frozen=True, slots=True)
class StageCount:
    """What a stage received, what it passed on, and how long it took."""

    stage: str
    received: int
    passed: int
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A decision. Ads are in the slate's order, placements in the order of the feed.

    Organic-only decisions are recorded as well, with a slate without ads (`Slate.organic`).
    """

    request_id: str
    surface: str
    time: datetime
    """With a time zone; stored in UTC to the microsecond."""
    policy_hash: str
    """`AuctionPolicy.hash` of the resolved policy (its exposure is not null)."""
    slate: Slate
    outcome: Outcome
    organic_id: Sequence[str]
    placement_id: Sequence[str] = ()
    """One per shown ad, by position."""
    user_id: str | None = None
    bundle_id: str | None = None
    snapshot_id: str | None = None
    raw: Mapping[str, Float64] = field(default_factory=dict)
    """Head name to its probabilities before calibration, each of length n (losers too)."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """Features of the request, once: name to scalar or list."""
    features: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Features of the shown ads: name to one value per shown ad, by position."""
    departures: Sequence[Departure] = ()
    stages: Sequence[StageCount] = ()
    degraded: str | None = None
    """Why the answer is less than it could be, or null."""
    held: bool = True
    """False where no auction took place, so that there is nothing to replay."""

    def shown(self) -> Int64:
        """Indexes into the slate's ads of those shown, by position."""
        index = np.flatnonzero(self.outcome.position)
        return index[np.argsort(self.outcome.position[index], kind="stable")].astype(np.int64)

    def check(self) -> None:
        """Refuse a record that could not be read back as it was written.

        Raises:
            InputError: a column of another length or type (an id that is a float), a time without a
                zone, an ad that is not shown but carries a price.
        """
        slate, outcome = self.slate, self.outcome
        n, k = len(slate.ad_id), len(slate.organic_utility)
        if self.time.tzinfo is None:
            raise InputError("time", self.time, "give a time with its zone, in UTC")
        if not 0 <= slate.seed < 2**64:
            raise InputError("slate.seed", slate.seed, "give an unsigned integer of 64 bits")
        for part, columns, length, what in (
            (slate, AD_COLUMNS, n, "ad"),
            (slate, ORGANIC_COLUMNS, k, "organic item"),
            (outcome, OUTCOME_COLUMNS, n, "ad"),
        ):
            for name, dtype in columns.items():
                values = column_of(part, name) if isinstance(part, Slate) else getattr(part, name)
                _numbers(name, values, dtype, length, what)
        hold = column_of(slate, "hold")
        _numbers("hold", hold, POSITION_COLUMNS["hold"], len(hold), "position")
        for name, scores in self.raw.items():
            _numbers(f"raw.{name}", scores, np.float64, n, "ad")
        for departure in self.departures:
            ids = departure.ad_id
            _numbers(f"departures.{departure.stage}", ids, np.int64, len(ids), "departed ad")
        for name in ("request_id", "surface", "policy_hash"):
            _texts(name, [getattr(self, name)])
        for name in ("user_id", "bundle_id", "snapshot_id", "degraded"):
            _texts(name, [value for value in [getattr(self, name)] if value is not None])
        _length("organic_id", self.organic_id, k, "organic item")
        _texts("organic_id", self.organic_id)
        _texts("placement_id", self.placement_id)
        hidden = outcome.position == 0
        shown = n - int(np.count_nonzero(hidden))
        for name in SHOWN_COLUMNS:
            values = getattr(outcome, name)
            if np.count_nonzero(values) > shown or values[hidden].any():
                at = int(np.flatnonzero(hidden & (values != 0))[0])
                raise InputError(f"{name}[{at}]", values[at].item(), "an ad that is not shown has a 0 here")
        _length("placement_id", self.placement_id, shown, "shown ad")
        for name, values in self.features.items():
            _length(f"features.{name}", values, shown, "shown ad")


SHOWN_COLUMNS: dict[str, type[np.generic]] = {
    "exposure": np.float64,
    "price_micros": np.int64,
    "setter": np.int8,
    "setter_ad_id": np.int64,
}
"""An outcome's columns that are 0 for every ad not shown: logged for the shown ones alone."""

OUTCOME_COLUMNS: dict[str, type[np.generic]] = {"position": np.int64, "reason": np.int8, **SHOWN_COLUMNS}

VALUE_COLUMNS = ("value_micros", "organic_value_micros", "organic_only_value_micros")


def _length(name: str, values: Any, expected: int, what: str) -> None:
    if len(values) != expected:
        raise InputError(name, f"{len(values)} values", f"give one per {what}: {expected}")


def _numbers(name: str, values: Any, dtype: type[np.generic], expected: int, what: str) -> None:
    if type(values) is np.ndarray and values.dtype.type is dtype and values.shape == (expected,):
        return
    _length(name, values, expected, what)
    found = np.asarray(values).dtype
    if not isinstance(values, np.ndarray) or (expected and not np.can_cast(found, dtype, "safe")):
        fix = f"give an array of {np.dtype(dtype).name}: nothing is rounded on the way in"
        raise InputError(name, str(found), fix)


def _texts(name: str, values: Sequence[Any]) -> None:
    for value in values:
        if not isinstance(value, str):
            raise InputError(name, value, "give a string")
