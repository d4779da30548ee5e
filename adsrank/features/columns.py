"""The feature columns of one request's candidates, named as in the training table's schema.

Privacy is applied here, where features are made: a request with `personalized=False` gives no user
signal to any model, whatever the caller sends along.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from adsrank.request import Action, AdRequest, Intent

RECENT = 20
"""Of `recent_interests`, the newest that are used (as in the training table)."""

CLOCKS_APART_S = 5.0
"""An action this little later than its request is of the moment; a later one was not known then."""

PAGE_SOURCES = frozenset({"query", "pin", "image", "crop"})
"""Sources of an intent that come from the page and not from the user."""

DAY = 86_400.0


class AdRows(Protocol):
    """What is read of a catalog snapshot: aligned columns over its ads."""

    @property
    def ad_id(self) -> npt.NDArray[np.int64]: ...
    @property
    def campaign_id(self) -> npt.NDArray[np.int64]: ...
    @property
    def advertiser_id(self) -> npt.NDArray[np.int64]: ...
    @property
    def interest(self) -> npt.NDArray[np.int32]: ...
    @property
    def format(self) -> npt.NDArray[Any]: ...
    @property
    def objective(self) -> npt.NDArray[Any]: ...
    @property
    def created_at(self) -> npt.NDArray[np.int64]: ...


def usable_intents(request: AdRequest) -> list[tuple[int, Intent]]:
    """The intents that may be compared with ads, and their places: without personalization, the page's."""
    return [
        (number, intent)
        for number, intent in enumerate(request.intents)
        if request.personalized or intent.source in PAGE_SOURCES
    ]


def request_columns(request: AdRequest) -> dict[str, Any]:
    """Columns of the request: scalars, and one list each for the interests and the last actions.

    `hour` and `weekday` are those of the request's time in UTC; Monday is 0.
    """
    personal = request.personalized
    return {
        "user_id": request.user_id if personal else None,
        "surface": request.surface.value,
        "country": request.country,
        "device": request.device,
        "hour": request.time.hour,
        "weekday": request.time.weekday(),
        "user_interests": np.array(request.user_interests if personal else [], np.int64),
        "recent_interests": np.array(request.recent_interests[-RECENT:] if personal else [], np.int64),
        **action_columns(request.recent_actions if personal else [], request.time),
    }


def action_columns(actions: Sequence[Action], now: datetime) -> dict[str, npt.NDArray[Any]]:
    """Type, interest, item and age of each action, oldest first; those later than `now` are left out."""
    count = len(actions)
    age = np.fromiter(((now - each.time).total_seconds() for each in actions), np.float64, count)
    order = np.argsort(-age, kind="stable")
    order = order[age[order] >= -CLOCKS_APART_S]
    return {
        "action_type": np.fromiter((each.type.code for each in actions), np.int8, count)[order],
        "action_interest": np.fromiter((each.interest or 0 for each in actions), np.int32, count)[order],
        "action_item": np.fromiter((each.item or 0 for each in actions), np.int64, count)[order],
        "action_age_s": np.maximum(age[order], 0.0).astype(np.float32),
    }


def ad_columns(snapshot: AdRows, rows: npt.NDArray[np.int64], now: datetime) -> dict[str, npt.NDArray[Any]]:
    """Columns of the ads in `rows` (int64 [n]) of the snapshot; age in days at `now` (UTC)."""
    return {
        "ad_id": snapshot.ad_id[rows],
        "campaign_id": snapshot.campaign_id[rows],
        "advertiser_id": snapshot.advertiser_id[rows],
        "ad_interest": snapshot.interest[rows],
        "format": snapshot.format[rows],
        "objective": snapshot.objective[rows],
        "ad_age_days": ((now.timestamp() - snapshot.created_at[rows]) / DAY).astype(np.float32),
    }


def match_columns(request: AdRequest, columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The match of the request and each candidate, as retrieval measured it (float32 [n]).

    Without personalization, similarities count only if every intent is the page's own; the match of
    interests, which are the user's, never does. What does not count is missing (NaN), not 0.
    """
    names = ("similarity", "similarity_mean", "interest_match")
    found = {name: np.asarray(columns[name], np.float32) for name in names}
    if request.personalized:
        return found
    page_only = bool(request.intents) and all(intent.source in PAGE_SOURCES for intent in request.intents)
    hidden = ("interest_match",) if page_only else names
    return {
        name: np.full_like(values, np.nan) if name in hidden else values for name, values in found.items()
    }
