"""Durable charges a second, and what is given away when clicks are told late.

The rates are of `Ledger.settle` with new click events of 50 campaigns that have a daily and a lifetime
budget: every event is recorded and charged in one transaction that is on disk (SQLite: WAL with full
sync; PostgreSQL: as its server is set) when the call returns. Rates of batches are medians over the
batches, and so not ruled by a neighbour on the same disk.

    adsrank bench ledger
"""

import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from auction.billable import Billable
from auction.budget import LeasedBudgets
from auction.pacing import Pacing, PacingSettings
from auction.reservation import expected_charge
from benchmarks.row import Row
from serving.campaign_budget import CampaignBudget
from serving.ledger import LIFETIME, BudgetLimit, EventType, Ledger, LedgerError, PlacementEvent
from serving.renewer import LeaseRenewer, LeaseSettings
from serving.token import Placement

NOW = 1_780_000_000.0
DAY = "2026-05-28"
CAMPAIGNS = 50
BATCH = 500
POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"


def rows() -> list[Row]:
    """Rates on SQLite and, where a server answers, on PostgreSQL; over-delivery at one second's lag."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{Path(folder) / 'rates.db'}")
        found += _rates(ledger, "SQLite, full sync", ">= 30000")
        ledger.close()
        for replicas in (1, 4):
            lagging = Ledger(f"sqlite:///{Path(folder) / f'lag{replicas}.db'}")
            free, over = _lag(lagging, replicas)
            lagging.close()
            name = f"{replicas} replicas, clicks one second late"
            found.append(Row(f"free over-delivery, {name}", free, "% of budget", "<= 0.5"))
            found.append(Row(f"charged over budget, {name}", over, "micros", "<= 0"))
    with _postgres() as server:
        if server is not None:
            found += _rates(server, "PostgreSQL", None)
    return found


def _events(count: int) -> list[PlacementEvent]:
    # Random ids, as clients make them: the unkind case for a B-tree.
    return [
        PlacementEvent(
            uuid.uuid4().hex, EventType.CLICK, NOW, _placement(uuid.uuid4().hex, row % CAMPAIGNS, 1000)
        )
        for row in range(count)
    ]


def _placement(name: str, campaign: int, price: int) -> Placement:
    return Placement(name, "r", 1, campaign, 1, DAY, Billable.CLICK, price, 1, NOW, NOW + 1e6)


def _rates(ledger: Ledger, store: str, to_reach: str | None) -> list[Row]:
    ledger.set_budgets([BudgetLimit(c, day, 2**50) for c in range(CAMPAIGNS) for day in (DAY, LIFETIME)])
    ledger.settle(_events(BATCH), NOW)
    batched = statistics.median(_times(ledger, _events(60 * BATCH), BATCH))
    single = sorted(_times(ledger, _events(1000), 1))
    return [
        Row(f"durable charges, batches of {BATCH}, {store}", BATCH / batched, "charges/s", to_reach),
        Row(f"durable charges, one a commit, {store}", len(single) / sum(single), "charges/s"),
        Row(f"one charge and its commit, p50, {store}", single[len(single) // 2] * 1e3, "ms"),
        Row(f"one charge and its commit, p99, {store}", single[len(single) * 99 // 100] * 1e3, "ms"),
    ]


def _times(ledger: Ledger, events: list[PlacementEvent], size: int) -> list[float]:
    times = []
    for start in range(0, len(events), size):
        begin = time.perf_counter()
        ledger.settle(events[start : start + size], NOW)
        times.append(time.perf_counter() - begin)
    return times


def _lag(ledger: Ledger, replicas: int) -> tuple[float, float]:
    """Free delivery in percent of the budget, and micros charged past it, of one simulated campaign.

    1,250 clicks' worth of budget at 240 placements a second, p(click) .05; a click is told one second
    after its placement, a reservation lives two.
    """
    limit, price, p_click = 500_000_000, 400_000, 0.05
    amount, rng = expected_charge(price, p_click), np.random.default_rng(5)
    accelerated = PacingSettings(mode=Pacing.ACCELERATED)
    plan = [CampaignBudget(1, "UTC", daily_micros=limit, pacing=accelerated)]
    clock, fleet = [NOW], []
    for number in range(replicas):
        budgets = LeasedBudgets(clock=lambda: clock[0])
        settings = LeaseSettings(observe_s=1e9)
        renewer = LeaseRenewer(
            ledger, budgets, lambda: plan, f"r{number}", settings, lambda: clock[0], lambda: clock[0]
        )
        fleet.append((budgets, renewer))
    late: list[list[PlacementEvent]] = [[], []]
    one = np.asarray([1], np.int64)
    number = idle = 0
    while idle < 16:
        for _, renewer in fleet:
            renewer.tick(clock[0])
        ledger.settle(late.pop(0), clock[0])
        late.append([])
        placed = 0
        for _ in range(120):
            number += 1
            budgets = fleet[number % replicas][0]
            if budgets.available(one, clock[0])[0] < amount:
                continue
            placed += 1
            budgets.reserve(f"p{number}", 1, amount, clock[0], clock[0] + 2.0)
            if rng.random() < p_click:
                event = PlacementEvent(
                    f"e{number}", EventType.CLICK, clock[0], _placement(f"p{number}", 1, price)
                )
                late[-1].append(event)
        idle = 0 if placed else idle + 1
        clock[0] += 0.5
    for events in late:
        ledger.settle(events, clock[0])
    (row,) = ledger.balances([1])
    return 100 * row.free_micros / limit, float(max(0, ledger.statement(1).charged_micros - limit))


@contextmanager
def _postgres() -> Iterator[Ledger | None]:
    """A ledger in a schema of its own, dropped afterwards; None where no server answers."""
    url = os.environ.get("ADSRANK_TEST_POSTGRES", POSTGRES)
    schema = f"bench_{uuid.uuid4().hex[:12]}"
    try:
        ledger = Ledger(url, schema)
    except LedgerError:
        yield None
        return
    try:
        yield ledger
    finally:
        ledger.close()
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as link:
            link.execute(sa.schema.DropSchema(schema, cascade=True))
        engine.dispose()
