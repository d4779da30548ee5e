"""The ledger against a plain Python model of what it should do, in random orders."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from auction.billable import Billable
from auction.reservation import Reservation
from serving.ledger import LIFETIME, BudgetLimit, EventType, Ledger, PlacementEvent, Status, Want
from serving.token import Placement

DAYS = ["2026-05-28", "2026-05-29"]
CAMPAIGNS = [1, 2]
START = 1_780_000_000.0

campaigns = st.sampled_from(CAMPAIGNS)
days = st.sampled_from(DAYS)
numbers = st.integers(0, 11)


def placement(number: int) -> Placement:
    """Everything about a placement follows from its number, as a signed token makes it."""
    return Placement(
        placement_id=f"p{number}",
        request_id="r",
        ad_id=number,
        campaign_id=CAMPAIGNS[number % 2],
        advertiser_id=1,
        day=DAYS[number // 2 % 2],
        billable=Billable(number % len(Billable)),
        price_micros=10 + 7 * number,
        position=1,
        issued_at=START,
        expires_at=START + 20 + number,
    )


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(f"sqlite:///{Path(self.folder.name) / 'ledger.db'}")
        self.now = START
        self.limit: dict[tuple[int, str], int] = {}
        self.charges: dict[str, tuple[int, str, int, int]] = {}
        self.events: set[str] = set()
        self.single: set[tuple[str, EventType]] = set()
        self.told: dict[str, Reservation] = {}
        self.open: set[str] = set()
        self.leases: dict[tuple[str, int, str], int] = {}
        self.alive: dict[str, float] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    # The model's own arithmetic: everything summed up anew from what happened.

    def rows(self, campaign: int, day: str) -> list[str]:
        return [each for each in (day, LIFETIME) if (campaign, each) in self.limit]

    def spent(self, campaign: int, row: str) -> int:
        return sum(paid for c, d, paid, _ in self.charges.values() if c == campaign and row in (d, LIFETIME))

    def free(self, campaign: int, row: str) -> int:
        return sum(
            price - paid
            for c, d, paid, price in self.charges.values()
            if c == campaign and row in (d, LIFETIME)
        )

    def held(self, campaign: int, row: str) -> int:
        return sum(
            self.told[each].amount_micros
            for each in self.open
            if self.told[each].campaign_id == campaign and row in (self.told[each].day, LIFETIME)
        )

    def leased(self, campaign: int, row: str) -> int:
        return sum(left for (_, c, d), left in self.leases.items() if c == campaign and row in (d, LIFETIME))

    # What can happen.

    @rule(campaign=campaigns, day=st.sampled_from([*DAYS, LIFETIME]), limit=st.integers(0, 300))
    def limit_is_set(self, campaign: int, day: str, limit: int) -> None:
        self.ledger.set_budgets([BudgetLimit(campaign, day, limit)])
        self.limit[campaign, day] = limit

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(batch=st.lists(st.tuples(numbers, st.sampled_from(EventType), st.integers(0, 2)), max_size=6))
    def events_come(self, batch: list[tuple[int, EventType, int]]) -> None:
        events = [
            PlacementEvent(f"{number}-{kind}-{turn}", kind, self.now, placement(number))
            for number, kind, turn in batch
        ]
        answers = self.ledger.settle(events, self.now)
        for event, answer in zip(events, answers, strict=True):
            assert (answer.status, answer.charged_micros) == self.expect(event)

    def expect(self, event: PlacementEvent) -> tuple[Status, int]:
        placed, kind = event.placement, event.type
        if self.now > placed.expires_at:
            return Status.EXPIRED, 0
        key = (placed.placement_id, kind)
        once = (EventType.IMPRESSION, EventType.CLICK, EventType.VIEW)
        if event.event_id in self.events or (kind in once and key in self.single):
            return Status.DUPLICATE, 0
        self.events.add(event.event_id)
        self.single.add(key)
        if kind.name != placed.billable.name or placed.placement_id in self.charges:
            return Status.RECORDED, 0
        rows = self.rows(placed.campaign_id, placed.day)
        lefts = [self.limit[placed.campaign_id, row] - self.spent(placed.campaign_id, row) for row in rows]
        paid = max(0, min([placed.price_micros, *lefts])) if rows else 0
        self.charges[placed.placement_id] = (placed.campaign_id, placed.day, paid, placed.price_micros)
        self.open.discard(placed.placement_id)
        return (Status.CHARGED if paid else Status.FREE), paid

    @rule(
        replica=st.sampled_from(["a", "b"]),
        batch=st.lists(st.tuples(numbers, st.integers(1, 30), st.floats(0, 15)), max_size=4),
        wants=st.lists(st.tuples(campaigns, days, st.integers(0, 200)), max_size=3),
        share=st.sampled_from([1.0, 0.5]),
    )
    def a_replica_renews(
        self,
        replica: str,
        batch: list[tuple[int, int, float]],
        wants: list[tuple[int, str, int]],
        share: float,
    ) -> None:
        told = [
            Reservation(f"p{n}", placement(n).campaign_id, placement(n).day, amount, self.now + life)
            for n, amount, life in batch
        ]
        slices = self.ledger.renew(replica, told, [Want(*each) for each in wants], self.now, 10.0, share)
        self.alive[replica] = self.now + 10.0
        for each in told:
            key = (replica, each.campaign_id, each.day)
            if each.placement_id not in self.told:
                self.told[each.placement_id] = each
                self.leases[key] = max(0, self.leases.get(key, 0) - each.amount_micros)
                if each.placement_id not in self.charges:
                    self.open.add(each.placement_id)
        for campaign, day, target in wants:
            key = (replica, campaign, day)
            have = self.leases.get(key, 0)
            lefts = [
                self.limit[campaign, row]
                - self.spent(campaign, row)
                - self.held(campaign, row)
                - self.leased(campaign, row)
                for row in self.rows(campaign, day)
            ]
            left = max(0, min(lefts, default=0))
            fair = left if share == 1.0 else (left + 1) // 2
            self.leases[key] = target if target <= have else have + min(target - have, fair)
        for each in slices:
            assert each.remaining_micros == self.leases.get((replica, each.campaign_id, each.day), 0)

    @rule()
    def overdue_money_is_swept(self) -> None:
        overdue = {each for each in self.open if self.told[each].expires_at <= self.now}
        dead = {each for each, until in self.alive.items() if until <= self.now}
        swept = self.ledger.expire(self.now)
        assert (swept.reservations, swept.replicas) == (len(overdue), len(dead))
        self.open -= overdue
        self.leases = {key: left for key, left in self.leases.items() if key[0] not in dead}
        self.alive = {key: until for key, until in self.alive.items() if key not in dead}

    @invariant()
    def every_amount_is_the_models(self) -> None:
        found = {(row.campaign_id, row.day): row for row in self.ledger.balances(CAMPAIGNS)}
        assert found.keys() == self.limit.keys()
        for (campaign, day), row in found.items():
            assert (
                row.limit_micros,
                row.spent_micros,
                row.reserved_micros,
                row.leased_micros,
                row.free_micros,
            ) == (
                self.limit[campaign, day],
                self.spent(campaign, day),
                self.held(campaign, day),
                self.leased(campaign, day),
                self.free(campaign, day),
            )


def play(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_ledger_agrees_with_the_model_in_any_order_of_calls() -> None:
    play(12, 20)


@pytest.mark.slow
def test_the_ledger_agrees_with_the_model_in_very_many_orders_of_calls() -> None:
    play(300, 40)
