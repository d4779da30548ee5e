"""The log of the weeks before: a training table, labelled with what could be known at its end."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from adsrank.data.actions import Actions
from adsrank.data.context import Context, of_visits
from adsrank.data.draw import bits
from adsrank.data.logging_policy import LoggingPolicy, Placed
from adsrank.data.reaction import react
from adsrank.data.truth import Truth
from adsrank.data.visit import SURFACES, Visits, describe, plan
from adsrank.data.world import MICROS, Int32, Int64, World
from adsrank.features.examples import SCHEMA
from auction.errors import InputError

_MOST_VISITS, _MOST_CELLS = 2048, 16_000_000
"""Visits of a block, and cells of its table of visits by ads: what bounds the memory."""
_ADS_PER_VISIT = 3.5
_THIN = 501


def history(truth: Truth, seed: int, end: datetime, days: float = 14, impressions: int = 200_000) -> pa.Table:
    """`impressions` ads shown in the `days` before `end`, in `features.examples.SCHEMA`, by request time.

    Every ad shown is a row, seen or not: the mean of a label is e_s * g(d) * p, with the p of the
    truth. An event after `end` is not in the table, so the conversions of the last days are incomplete,
    as they are in life. The requests behind the rows are among those of `traffic.requests` with the same
    seed, start, length and count (see `visits_of`).

    Raises:
        InputError: fewer than one impression, or a market with next to no ad that could be shown.
    """
    if impressions < 1:
        raise InputError("impressions", impressions, "give at least 1")
    end = end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC)
    if not truth.inventory.active.any():
        raise InputError("rows", "no active ad", "give a catalog with active ads")
    policy = LoggingPolicy(truth.world, truth.inventory)
    count = int(impressions / _ADS_PER_VISIT) + 64
    size = max(1, min(_MOST_VISITS, _MOST_CELLS // len(policy.running)))
    for _ in range(8):
        visits = visits_of(truth.world, seed, end, days, count)
        blocks = [_Block(truth, policy, visits, first, size) for first in range(0, count, size)]
        if sum(len(block.placed.visit) for block in blocks) >= impressions:
            return _table(truth, visits, blocks, end, impressions)
        count = count * 3 // 2
    raise InputError(
        "rows", "too few ads", "give a catalog whose ads are active and in schedule before `end`"
    )


def visits_of(world: World, seed: int, end: datetime, days: float, count: int) -> Visits:
    """The visits that the history is drawn from."""
    return plan(world, seed, end - timedelta(days=days), days * 24, count)


class _Block:
    """The ads placed in one block of visits, and their contexts."""

    placed: Placed
    context: Context
    recent: Int32
    actions: Actions
    """Of the block's visits; `placed.visit` less `first` is a row of it."""
    first: int

    def __init__(self, truth: Truth, policy: LoggingPolicy, visits: Visits, first: int, size: int) -> None:
        block = visits[first : first + size]
        wants = describe(truth.world, block)
        placed = policy.place(block, wants)
        self.context = of_visits(truth.world, truth.inventory, block, wants, placed.visit, placed.ad)
        self.placed = Placed(placed.visit + first, placed.ad, placed.position, placed.gap)
        self.recent = wants.recent[placed.visit]
        self.actions, self.first = wants.actions, first


def _table(truth: Truth, visits: Visits, blocks: list[_Block], end: datetime, impressions: int) -> pa.Table:
    visit = np.concatenate([block.placed.visit for block in blocks])
    columns: dict[str, list[np.ndarray | pa.Array]] = {name: [] for name in SCHEMA.names}
    keep = _thinned(visits, visit, impressions)
    passed = 0
    for block in blocks:
        rows = np.flatnonzero(keep[passed : passed + len(block.placed.visit)])
        passed += len(block.placed.visit)
        for name, values in _columns(truth, visits, block, rows, end).items():
            columns[name].append(values)
    arrays = [
        pa.concat_arrays([pa.array(part, SCHEMA.field(name).type) for part in columns[name]])
        for name in SCHEMA.names
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _thinned(visits: Visits, visit: Int64, impressions: int) -> np.ndarray:
    """bool per row: whole visits in a random order, until `impressions` rows (the last one cut short)."""
    size = np.bincount(visit, minlength=len(visits))
    order = np.argsort(bits(visits.seed, _THIN, visits.request_key), kind="stable")
    taken = np.zeros(len(visits), np.int64)
    taken[order] = np.clip(impressions - (np.cumsum(size[order]) - size[order]), 0, size[order])
    # Rows of a visit stand together, in order of position: a cut visit loses its last ads.
    within = np.arange(len(visit)) - np.searchsorted(visit, visit, side="left")
    kept: np.ndarray = within < taken[visit]
    return kept


def _columns(
    truth: Truth, visits: Visits, block: _Block, rows: Int64, end: datetime
) -> dict[str, np.ndarray | pa.Array]:
    world, ads = truth.world, truth.inventory
    context = block.context[rows]
    placed = block.placed
    visit, ad = placed.visit[rows], placed.ad[rows]
    user, time = visits.user[visit], visits.time[visit]
    drawn = react(truth, context, placed.position[rows], placed.gap[rows])
    last = round(end.timestamp() * MICROS)
    acted = time + np.rint(drawn.acted_after_s * MICROS).astype(np.int64)
    known = acted <= last
    bought = drawn.conversion & (acted + np.rint(drawn.delay_s * MICROS).astype(np.int64) <= last)
    interests = _lists(world.users.interest, world.users.interest_offset, user)
    recent = block.recent[rows]
    full = recent > 0
    recent_offset = np.concatenate([[0], np.cumsum(full.sum(axis=1))]).astype(np.int32)
    done = block.actions
    there = done.kind[visit - block.first] > 0
    offset = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)

    def acted_on(values: np.ndarray) -> pa.ListArray:
        return pa.ListArray.from_arrays(offset, values[visit - block.first][there])

    match = np.zeros(len(rows), np.float32)
    owner = np.repeat(np.arange(len(rows)), np.diff(np.asarray(interests.offsets)))
    match[owner[np.asarray(interests.values) == ads.interest[ad][owner]]] = 1.0
    return {
        "request_id": visits.request_id[visit],
        "time": time,
        "user_id": world.users.user_id[user],
        "surface": np.array(SURFACES)[visits.surface[visit]],
        "country": world.users.country[user],
        "device": world.users.device[user],
        "hour": visits.hour[visit],
        "weekday": visits.weekday[visit],
        "user_interests": interests,
        "recent_interests": pa.ListArray.from_arrays(recent_offset, recent[full]),
        "action_type": acted_on(done.kind),
        "action_interest": acted_on(done.interest),
        "action_item": acted_on(np.zeros(done.kind.shape, np.int64)),
        "action_age_s": acted_on(done.age_s),
        "ad_id": ads.ad_id[ad],
        "campaign_id": ads.campaign_id[ad],
        "advertiser_id": ads.advertiser_id[ad],
        "ad_interest": ads.interest[ad],
        "format": ads.format[ad],
        "objective": ads.objective[ad],
        "ad_age_days": context.ad_age_days.astype(np.float32),
        "similarity": context.similarity,
        "similarity_mean": context.similarity_mean,
        "interest_match": match,
        "position": placed.position[rows].astype(np.int32),
        "gap": placed.gap[rows].astype(np.int32),
        "click": (drawn.click & known).astype(np.int8),
        "save": (drawn.save & known).astype(np.int8),
        "hide": (drawn.hide & known).astype(np.int8),
        "conversion": bought.astype(np.int8),
        "conversion_delay_s": pa.array(drawn.delay_s, mask=~bought),
        "value_micros": np.where(bought, drawn.value_micros, 0),
    }


def _lists(values: Int32, offset: Int64, rows: Int64) -> pa.ListArray:
    """Rows of a column of lists, as one list array."""
    size = offset[rows + 1] - offset[rows]
    start = np.concatenate([[0], np.cumsum(size)])
    at = np.arange(start[-1]) - np.repeat(start[:-1], size) + np.repeat(offset[rows], size)
    return pa.ListArray.from_arrays(start.astype(np.int32), values[at])
