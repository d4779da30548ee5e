"""Requests of a stretch of traffic, as a feed mixer would send them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from adsrank.data.draw import normal, uniform
from adsrank.data.visit import SOURCES, SURFACES, Visits, Wants, describe, plan
from adsrank.data.world import UNLABELLED, Float64, Int64, World
from adsrank.request import ActionType, AdRequest
from auction.billable import Grade

_BLOCK = 256
_SHELF = 72
"""Pins looked at for one page; at most 50 of them are shown."""
_LEAST, _MOST = 25, 50
_SIZE, _SHELF_KIND, _SHELF_PIN, _SHELF_INTEREST, _TASTE = range(301, 306)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ACTION_TYPES = {each.code: each for each in ActionType}


def requests(world: World, seed: int, start: datetime, hours: float, count: int) -> Iterator[AdRequest]:
    """`count` requests in [start, start + hours), in order of time, the same for equal arguments.

    Intents are vectors of the world's space: what the session is about first (source session, pin or
    query), then up to three lasting interests of the user. Organic items are 25 to 50 pins (fewer where
    the interests of a visit hold few pins), about in order of utility; a utility is an expected
    engagement in [0, 1]. Pages after the first say how many positions ago their user saw an ad.

    Raises:
        InputError: no requests, or a stretch of no length.
    """
    visits = plan(world, seed, start, hours, count)
    shelves = _Shelves(world)
    for first in range(0, count, _BLOCK):
        block = visits[first : first + _BLOCK]
        wants = describe(world, block)
        pins, utility, size = shelves.organic(block, wants)
        for k in range(len(block)):
            organic = _items(world, pins[k, : size[k]], utility[k, : size[k]])
            yield AdRequest.model_validate(_request(world, block, wants, k, organic))


def _request(
    world: World, visits: Visits, wants: Wants, k: int, organic: list[dict[str, Any]]
) -> dict[str, Any]:
    users, user = world.users, int(visits.user[k])
    mine = slice(users.interest_offset[user], users.interest_offset[user + 1])
    recent = wants.recent[k]
    return {
        "request_id": str(visits.request_id[k]),
        "user_id": str(users.user_id[user]),
        "surface": SURFACES[visits.surface[k]],
        "time": _EPOCH + timedelta(microseconds=int(visits.time[k])),
        "country": str(users.country[user]),
        "language": str(users.language[user]),
        "device": str(users.device[user]),
        "embedding_space": world.embedding_space,
        "intents": [
            {"embedding": wants.intent[k, j].tolist(), "weight": float(weight), "source": SOURCES[source]}
            for j, (weight, source) in enumerate(zip(wants.weight[k], wants.source[k], strict=True))
            if weight > 0
        ],
        "user_interests": users.interest[mine].tolist(),
        "recent_interests": recent[recent > 0].tolist(),
        "recent_actions": _actions(wants, k, int(visits.time[k])),
        "organic": organic,
        "positions_since_ad": int(visits.positions_since_ad[k]),
    }


def _actions(wants: Wants, k: int, time: int) -> list[dict[str, Any]]:
    done = wants.actions
    there = np.flatnonzero(done.kind[k])
    return [
        {
            "type": ACTION_TYPES[kind],
            "interest": interest,
            "time": _EPOCH + timedelta(microseconds=time - age),
        }
        for kind, interest, age in zip(
            done.kind[k, there].tolist(),
            done.interest[k, there].tolist(),
            done.age_us[k, there].tolist(),
            strict=True,
        )
    ]


def _items(world: World, pins: Int64, utility: Float64) -> list[dict[str, Any]]:
    ids, grades = world.pins.pin_id[pins].tolist(), world.pins.grade[pins].tolist()
    return [
        {"id": pin, "utility": value}
        if grade == UNLABELLED
        else {"id": pin, "utility": value, "grade": Grade(grade)}
        for pin, value, grade in zip(ids, utility.tolist(), grades, strict=True)
    ]


class _Shelves:
    """Pins by interest, to be drawn by popularity: the organic recommender of the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        leaf = world.tree.leaf_index(world.pins.interest)
        self.order = np.argsort(leaf, kind="stable")
        self.leaf_of = world.tree.leaf_index(world.users.interest)
        leaves = len(world.tree.leaves)
        self.bound = np.concatenate([[0.0], np.cumsum(np.bincount(leaf, world.pins.popularity, leaves))])
        self.mass = np.cumsum(world.pins.popularity[self.order])
        logarithm = np.log(world.pins.popularity)
        self.fame = (logarithm - logarithm.mean()) / max(float(logarithm.std()), 1e-9)

    def organic(self, visits: Visits, wants: Wants) -> tuple[Int64, Float64, Int64]:
        """Pins [n, most], their utilities (in the order they are shown) and how many a page has [n]."""
        world, users, n = self.world, self.world.users, len(visits)
        column = np.arange(_SHELF)
        key = (visits.seed, visits.session[:, None], visits.page[:, None])
        first = users.interest_offset[visits.user][:, None]
        many = users.interest_offset[visits.user + 1][:, None] - first
        other = first + np.floor(uniform(*key, _SHELF_INTEREST, column) ** 2 * many).astype(np.int64)
        kind = uniform(*key, _SHELF_KIND, column)
        leaf = self.leaf_of[np.where(kind < 0.5, wants.focus[:, None], other)]
        anything = kind > 0.85
        low = np.where(anything, 0.0, self.bound[leaf])
        high = np.where(anything, self.bound[-1], self.bound[leaf + 1])
        at = low + uniform(*key, _SHELF_PIN, column) * (high - low)
        pins = self.order[np.minimum(np.searchsorted(self.mass, at, side="right"), len(self.order) - 1)]

        cosine = np.einsum("nkd,nd->nk", world.pins.vector[pins], wants.intent[:, 0])
        taste = normal(visits.seed, visits.session[:, None], _TASTE, pins)
        odds = -2.2 + 2.4 * cosine + 0.3 * self.fame[pins] + 0.4 * taste
        utility = np.round(1.0 / (1.0 + np.exp(-odds)), 6)
        # The mixer's order is not quite the order of utility: it has goals of its own.
        goal = np.where(repeats(pins), -np.inf, odds + 0.3 * normal(*key, _TASTE, pins))
        shown = np.argsort(-goal, axis=1, kind="stable")[:, :_MOST]
        wanted = _LEAST + np.floor(uniform(*key, _SIZE)[:, 0] * (_MOST - _LEAST + 1)).astype(np.int64)
        size = np.minimum(wanted, np.isfinite(goal).sum(axis=1))
        rows = np.arange(n)[:, None]
        return pins[rows, shown], utility[rows, shown], size


def repeats(values: Int64) -> np.ndarray:
    """bool [n, k]: True where the same value stands further left in its row."""
    order = np.argsort(values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    twice = np.zeros(values.shape, bool)
    twice[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    repeats = np.zeros(values.shape, bool)
    np.put_along_axis(repeats, order, twice, axis=1)
    return repeats
