"""Who visits when, and what they want then: the plan of a stretch of traffic.

Requests and history are made from the same plan, so what a model trains on looks like what it serves.
A visit is one page of a session. Its time and user are sampled once for the whole stretch; the wants
behind it are counter-based draws, so any block of visits can be described alone.
"""

import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np

from adsrank.data.actions import Actions, before
from adsrank.data.draw import bits, normal, text_key, uniform
from adsrank.data.world import DAY_S, MICROS, Float32, Float64, Int8, Int32, Int64, World, unit
from auction.errors import InputError

SURFACES = ("home", "related", "search")
SOURCES = ("session", "user", "pin", "query")
_SURFACE_SHARE = (0.70, 0.20, 0.10)
_PAGES_SHARE = (0.60, 0.25, 0.15)
_WEEKDAY = (0.95, 0.93, 0.95, 0.98, 1.0, 1.08, 1.15)
MOST_INTENTS = 4
MOST_RECENT = 20

# Which draw of a visit; counters of `draw`, never renumbered within a release.
_FOCUS, _SECOND, _MOOD, _DRIFT, _INTENTS = range(101, 106)  # 106 to 108 are those of `actions`


@dataclass(frozen=True, slots=True)
class Visits:
    """Columns of n visits in order of time."""

    seed: int
    """Of the draws behind these visits: from the stretch's own seed and start."""
    request_id: np.ndarray
    session: Int64
    page: Int32
    """0 for the first page of a session."""
    user: Int64
    """Row of the user."""
    time: Int64
    """Microseconds since 1970 UTC."""
    surface: Int8
    """Index in SURFACES."""
    positions_since_ad: Int32
    """-1 on first pages."""

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, rows: slice | np.ndarray) -> Self:
        columns = [f.name for f in fields(self) if f.name != "seed"]
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in columns}
        return replace(self, **taken)

    @property
    def request_key(self) -> np.ndarray:
        """uint64 [n]: `AdRequest.seed` of each visit."""
        return text_key(self.request_id)

    @property
    def hour(self) -> Int32:
        return ((self.time // (3600 * MICROS)) % 24).astype(np.int32)

    @property
    def weekday(self) -> Int32:
        """0 = Monday (1970 began on a Thursday)."""
        return ((self.time // (DAY_S * MICROS) + 3) % 7).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Wants:
    """What the visits of one block are about."""

    focus: Int64
    """Row of the session's interest in `Users.interest`."""
    second: Int64
    """Row of the interest the session drifts to (may be the same)."""
    intent: Float32
    """[n, 4, d], of unit length; zero where there is no such intent."""
    weight: Float32
    """[n, 4]; 0 where there is no such intent."""
    source: Int8
    """[n, 4], index in SOURCES."""
    actions: Actions

    @property
    def recent(self) -> Int32:
        """[n, 20] leaf nodes of the last actions, newest last, padded in front with 0."""
        return self.actions.interest[:, -MOST_RECENT:]


def plan(world: World, seed: int, start: datetime, hours: float, count: int) -> Visits:
    """`count` visits in [start, start + hours), shaped by hour of day, weekday and users' activity.

    Raises:
        InputError: no visits, or a stretch of no length.
    """
    if count < 1:
        raise InputError("count", count, "give at least 1")
    if not 0 < hours <= 24 * 400:
        raise InputError("hours", hours, "give more than 0 and at most 9,600")
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start
    begin = round(start.timestamp() * MICROS)
    end = begin + round(hours * 3600 * MICROS)
    rng = np.random.default_rng([seed, begin, 0x71])
    pages = 1 + rng.choice(3, count, p=_PAGES_SHARE)
    sessions = int(np.searchsorted(np.cumsum(pages), count)) + 1
    pages = pages[:sessions]
    pages[-1] -= int(pages.sum()) - count
    at, user = _arrivals(rng, world, begin, end, sessions)
    owner = np.repeat(np.arange(sessions), pages)
    page = np.arange(count) - np.repeat(np.cumsum(pages) - pages, pages)
    wait = rng.uniform(20.0, 120.0, count) * MICROS
    elapsed = np.cumsum(wait) - np.repeat(np.cumsum(wait)[np.cumsum(pages) - pages], pages)
    # Pages that would fall past the end crowd before it, still in their order.
    time = np.minimum(at[owner] + elapsed.astype(np.int64), end - np.repeat(pages, pages) + page)
    surface = rng.choice(len(SURFACES), sessions, p=_SURFACE_SHARE)[owner]
    since = np.where(page > 0, rng.integers(1, 11, count), -1)
    tag = f"{world.name[:1]}{seed:x}-{begin // MICROS:x}"
    order = np.lexsort((page, owner, time))
    return Visits(
        seed=int(bits(seed, begin)[0]),
        request_id=np.array([f"{tag}-{owner[k]:07d}-{page[k]}" for k in order]),
        session=owner[order],
        page=page[order].astype(np.int32),
        user=user[owner][order],
        time=time[order],
        surface=surface[order].astype(np.int8),
        positions_since_ad=since[order].astype(np.int32),
    )


def _arrivals(
    rng: np.random.Generator, world: World, begin: int, end: int, sessions: int
) -> tuple[Int64, Int64]:
    """Time and user of each session: hours by their traffic, users by activity and by their own day."""
    profiles = len(world.hours)
    crowd = np.bincount(world.users.profile, weights=world.users.activity, minlength=profiles)
    hour = 3600 * MICROS
    first = begin // hour
    slots = np.arange(first, -(-end // hour))
    covered = np.minimum(end, (slots + 1) * hour) - np.maximum(begin, slots * hour)
    weekday = np.array(_WEEKDAY)[(slots // 24 + 3) % 7]
    mass = (crowd @ world.hours)[slots % 24] * weekday * covered
    slot = rng.choice(len(slots), sessions, p=mass / mass.sum())
    low = np.maximum(begin, slots[slot] * hour)
    at = low + (rng.random(sessions) * covered[slot]).astype(np.int64)
    user = np.zeros(sessions, np.int64)
    drawn = rng.random(sessions)
    for of_day in range(24):
        here = np.flatnonzero(slots[slot] % 24 == of_day)
        if len(here):
            share = np.cumsum(world.users.activity * world.hours[world.users.profile, of_day])
            user[here] = np.minimum(np.searchsorted(share, drawn[here] * share[-1]), len(share) - 1)
    return at, user


def describe(world: World, visits: Visits) -> Wants:
    """What the visits want. Row by row a function of the visit alone, whatever block it stands in."""
    users, seed = world.users, visits.seed
    first = users.interest_offset[visits.user]
    many = users.interest_offset[visits.user + 1] - first
    focus = first + _by_weight(world, visits.user, uniform(seed, visits.session, _FOCUS))
    second = first + _by_weight(world, visits.user, uniform(seed, visits.session, _SECOND))

    axis = np.arange(world.dimension)
    scale = 1.0 / math.sqrt(world.dimension)
    mood = normal(seed, visits.session[:, None], _MOOD, axis) * (0.55 * scale)
    drift = normal(seed, visits.session[:, None], visits.page[:, None] + 1, _DRIFT, axis) * (0.25 * scale)
    base = users.interest_vector[focus] + mood
    step = visits.page[:, None].astype(np.float64)
    session = unit(base + 0.35 * step * users.interest_vector[second] + np.sqrt(step) * drift)

    count = 1 + (uniform(seed, visits.session, visits.page, _INTENTS) * np.minimum(many, 3)).astype(np.int64)
    count += uniform(seed, visits.session, visits.page, _INTENTS, 1) < 0.25
    count = np.minimum(np.minimum(count, 1 + many), MOST_INTENTS)
    intent = np.zeros((len(visits), MOST_INTENTS, world.dimension), np.float32)
    weight = np.zeros((len(visits), MOST_INTENTS), np.float32)
    intent[:, 0] = session
    weight[:, 0] = 1.0
    for k in range(1, MOST_INTENTS):
        row = np.minimum(first + k - 1, first + many - 1)
        there = k < count
        intent[there, k] = users.interest_vector[row[there]]
        weight[there, k] = np.round(users.interest_weight[row[there]], 6).astype(np.float32)
    source = np.full((len(visits), MOST_INTENTS), SOURCES.index("user"), np.int8)
    source[:, 0] = np.array([SOURCES.index(name) for name in ("session", "pin", "query")])[visits.surface]
    return Wants(focus, second, intent, weight, source, before(world, visits, focus, second))


def _by_weight(world: World, user: Int64, drawn: Float64) -> Int64:
    """Position among the user's interests, in proportion to their weights."""
    offset, weight = world.users.interest_offset, world.users.interest_weight
    total = np.concatenate([[0.0], np.cumsum(weight)])
    low, high = total[offset[user]], total[offset[user + 1]]
    row = np.searchsorted(total, low + drawn * (high - low), side="right") - 1
    position: Int64 = np.clip(row, offset[user], offset[user + 1] - 1) - offset[user]
    return position
