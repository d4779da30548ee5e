"""A replica's lease, kept beside the request path."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from auction.budget import LeasedBudgets
from auction.pacing import Pacing, PacingSettings
from auction.reservation import expected_charge
from serving.campaign_budget import CampaignBudget
from serving.ledger import LIFETIME, EventType, Ledger, LedgerUnavailable, PlacementEvent, Status
from serving.renewer import LeaseRenewer, LeaseSettings
from tests.serving.market import CAMPAIGN, DAY, NOW, amounts, happened, placement

SMALL = LeaseSettings(slice_micros=100, slice_share=0.01, most_share=1.0, lease_s=5.0, expire_s=1.0)


class Replica:
    """A replica with its own budgets and renewer, on clocks the test turns."""

    def __init__(
        self,
        ledger: Ledger,
        campaigns: list[CampaignBudget],
        name: str = "a",
        settings: LeaseSettings = SMALL,
    ) -> None:
        self.now = NOW
        self.campaigns = campaigns
        self.budgets = LeasedBudgets(clock=lambda: self.now)
        self.renewer = LeaseRenewer(
            ledger,
            self.budgets,
            lambda: self.campaigns,
            name,
            settings,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )

    def tick(self, after: float = 0.5) -> None:
        self.now += after
        self.renewer.tick(self.now)

    def left(self, campaign: int = CAMPAIGN) -> int:
        return int(self.budgets.available(np.asarray([campaign], np.int64), self.now)[0])

    def multiplier(self, campaign: int = CAMPAIGN) -> float:
        return float(self.budgets.multiplier(np.asarray([campaign], np.int64), self.now)[0])

    def place(self, key: str, amount: int, life_s: float = 60.0) -> None:
        self.budgets.reserve(f"p{key}", CAMPAIGN, amount, self.now, self.now + life_s)


def daily(limit: int, **more: object) -> CampaignBudget:
    return CampaignBudget(CAMPAIGN, "UTC", daily_micros=limit, **more)  # type: ignore[arg-type]


def test_the_first_tick_writes_the_limits_and_brings_a_lease(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000), CampaignBudget(7, "UTC", lifetime_micros=60)])
    assert replica.left() == 0
    replica.tick()
    assert (replica.left(), replica.left(7), replica.left(8)) == (100, 60, 0)
    assert amounts(ledger) == {"leased": 100}
    assert amounts(ledger, LIFETIME, 7) == {"leased": 60}


def test_placements_are_told_and_the_lease_is_filled_up_to_what_is_used(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    replica.place("1", 70)
    assert replica.left() == 30
    replica.tick()
    assert replica.budgets.pending() == []
    assert amounts(ledger) == {"reserved": 70, "leased": 280}, "four times what half a second used"
    assert replica.left() == 280


def test_a_lease_more_than_half_full_is_left_alone(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    replica.place("1", 10)
    replica.tick()
    assert amounts(ledger) == {"reserved": 10, "leased": 90}
    assert replica.left() == 90


def test_paid_ads_stop_within_a_second_of_the_last_renewal_and_come_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()

    def down(*_: object, **__: object) -> None:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "renew", down)
        for _ in range(2):
            with pytest.raises(LedgerUnavailable):
                replica.tick()
        assert replica.left() == 100, "one second after the last renewal"
        with pytest.raises(LedgerUnavailable):
            replica.tick(0.1)
        assert replica.left() == 0
    replica.tick()
    assert replica.left() == 100


def test_a_renewal_that_took_long_shortens_the_lease(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = Replica(ledger, [daily(5000)])
    renew = ledger.renew

    def slow(*words: object, **more: object) -> object:
        answer = renew(*words, **more)  # type: ignore[arg-type]
        replica.now += 3.0
        return answer

    monkeypatch.setattr(ledger, "renew", slow)
    replica.tick()
    assert replica.left() == 0


def test_a_crashed_replica_is_swept_by_the_others(ledger: Ledger) -> None:
    Replica(ledger, [daily(100)], "crashed").tick()
    other = Replica(ledger, [daily(100)], "other")
    other.tick()
    assert other.left() == 0
    for _ in range(20):
        other.tick()
    assert other.left() == 100


def test_a_replica_that_stops_gives_everything_back(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    replica.place("1", 30)
    replica.renewer.stop()
    assert amounts(ledger) == {"reserved": 30}
    assert replica.left() == 0


def test_a_campaign_that_ends_gives_its_lease_back(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    replica.campaigns = []
    replica.tick()
    assert amounts(ledger) == {}
    assert replica.left() == 0


def test_a_lease_to_give_back_is_not_forgotten_while_the_ledger_is_down(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    replica.campaigns = []
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "renew", lambda *_: (_ for _ in ()).throw(LedgerUnavailable("down")))
        with pytest.raises(LedgerUnavailable):
            replica.tick()
    replica.tick()
    assert amounts(ledger) == {}


def test_at_midnight_of_the_account_a_new_budget_begins(ledger: Ledger) -> None:
    replica = Replica(ledger, [CampaignBudget(CAMPAIGN, "America/New_York", daily_micros=100)])
    replica.now = datetime(2026, 5, 29, 3, 59, 59, tzinfo=UTC).timestamp()
    replica.tick(0.0)
    replica.place("late", 60, life_s=100.0)
    assert replica.left() == 40
    replica.tick(1.0)
    assert replica.left() == 100
    assert amounts(ledger) == {"reserved": 60}
    assert amounts(ledger, "2026-05-29") == {"leased": 100}
    ledger.settle([happened("e", placement("late", 60), time=NOW + 30_000)], NOW + 1)
    assert (amounts(ledger, "2026-05-28"), amounts(ledger, "2026-05-29")) == (
        {"reserved": 60},
        {"leased": 100},
    )


def test_a_changed_limit_is_written_and_an_unchanged_one_is_not_asked_for_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(ledger, [daily(100)])
    replica.tick()
    written: list[tuple[int, str, int | None]] = []
    monkeypatch.setattr(
        ledger,
        "set_budgets",
        lambda limits: written.extend((x.campaign_id, x.day, x.limit_micros) for x in limits),
    )
    replica.campaigns = [daily(100), CampaignBudget(9, "UTC", lifetime_micros=5)]
    replica.tick()
    replica.tick()
    assert written == [(9, DAY, 5), (9, LIFETIME, 5)]


def test_an_exhausted_budget_is_not_asked_for_in_every_period(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(ledger, [daily(10)])
    replica.tick()
    asked: list[int] = []
    renew = ledger.renew

    def counted(name: str, told: list[object], wants: list[object], *rest: float) -> object:
        asked.append(len(wants))
        return renew(name, told, wants, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "renew", counted)
    for _ in range(8):
        replica.tick()
    assert sum(asked) == 2, "every two seconds"


def test_all_replicas_spend_is_shown_to_every_replicas_pacing(ledger: Ledger) -> None:
    quick = SMALL.model_copy(update={"observe_s": 1.0})
    first, second = (Replica(ledger, [daily(100_000)], name, quick) for name in ("a", "b"))
    first.tick()
    second.tick()
    assert second.multiplier() == 1.0
    first.place("1", 800)
    first.tick()
    ledger.settle([happened("e", placement(2, 1000))], NOW + 1)
    second.tick(2.0)
    assert second.multiplier() < 0.3


def test_a_replica_that_starts_late_takes_the_spend_before_it_as_given(ledger: Ledger) -> None:
    first = Replica(ledger, [daily(100_000)])
    first.tick()
    ledger.settle([happened("e", placement(2, 99_000))], NOW + 1)
    second = Replica(ledger, [daily(100_000)], "b")
    second.tick()
    assert second.multiplier() == 1.0, "no shock"
    ledger.settle([happened("f", placement(3, 900))], NOW + 1)
    second.tick(3600.0)
    assert second.multiplier() < 0.7, "but it knows that one percent is left for the evening"


def test_a_campaign_that_comes_back_keeps_its_lease(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    plan, replica.campaigns = replica.campaigns, []
    replica.tick()
    replica.campaigns = plan
    for _ in range(4):
        replica.tick()
        assert replica.left() == 100


def test_accelerated_campaigns_and_lifetime_budgets_without_an_end_are_not_slowed(ledger: Ledger) -> None:
    quick = SMALL.model_copy(update={"observe_s": 0.1})
    plans = {
        CAMPAIGN: daily(10_000, pacing=PacingSettings(mode=Pacing.ACCELERATED)),
        7: CampaignBudget(7, "UTC", lifetime_micros=10_000),
        8: CampaignBudget(8, "UTC", lifetime_micros=10_000, ends_at=NOW + 10 * 86_400),
    }
    replica = Replica(ledger, list(plans.values()), settings=quick)
    replica.tick()
    events = [happened(f"e{c}", placement(c, 900, campaign=c)) for c in plans]
    ledger.settle(events, NOW + 1)
    replica.tick()
    replica.tick()
    assert [replica.multiplier(each) for each in (CAMPAIGN, 7)] == [1.0, 1.0]
    assert replica.multiplier(8) < 0.05, "most of the tenth that a day of ten gets"


def lifetime(limit: int, **more: object) -> CampaignBudget:
    return CampaignBudget(CAMPAIGN, "UTC", lifetime_micros=limit, **more)  # type: ignore[arg-type]


def click(ledger: Ledger, number: int | str, price: int, now: float = NOW + 1) -> int:
    (answer,) = ledger.settle([happened(f"e{number}", placement(number, price), time=now)], now)
    return answer.charged_micros


def test_a_spent_lifetime_budget_that_is_dropped_for_a_daily_one_stops_nothing(ledger: Ledger) -> None:
    replica = Replica(ledger, [lifetime(10)])
    replica.tick()
    assert click(ledger, 1, 10) == 10
    replica.tick()
    assert click(ledger, 2, 10) == 0
    replica.campaigns = [daily(50)]
    replica.tick(2.5)
    assert replica.left() == 40, "what today spent counts against today's limit"
    assert click(ledger, 3, 60) == 40
    assert amounts(ledger, LIFETIME)["spent"] == 50
    replica.campaigns = [lifetime(60)]
    replica.tick(2.5)
    assert click(ledger, 4, 60) == 10, "the lifetime came back, and all that was spent with it"


def test_a_dropped_daily_limit_binds_no_more_on_the_same_day(ledger: Ledger) -> None:
    both = CampaignBudget(CAMPAIGN, "UTC", daily_micros=10, lifetime_micros=100)
    replica = Replica(ledger, [both])
    replica.tick()
    assert click(ledger, 1, 30) == 10
    replica.campaigns = [lifetime(100)]
    replica.tick(2.5)
    assert replica.left() == 90
    assert click(ledger, 2, 95) == 90


def test_a_campaign_whose_limits_are_all_dropped_may_spend_nothing(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(5000)])
    replica.tick()
    replica.campaigns = [CampaignBudget(CAMPAIGN, "UTC")]
    replica.tick()
    assert replica.left() == 0
    assert amounts(ledger) == {}


def test_a_lease_always_has_room_for_the_largest_bid(ledger: Ledger) -> None:
    settings = SMALL.model_copy(update={"most_share": 0.5})
    replica = Replica(ledger, [daily(5000, largest_bid_micros=3000)], settings=settings)
    replica.tick()
    assert replica.left() == 3000, "more than half of what is left, for one ad that costs so much"
    replica.place("1", 20)
    replica.tick()
    replica.tick(2.5)
    assert replica.left() >= 3000, "more than half full, but too little for the ad"
    replica.place("2", 2990)
    replica.tick()
    replica.tick(2.5)
    replica.tick(2.5)
    assert 1000 < replica.left() <= 1990


def test_a_bid_above_the_budget_leases_the_budget_and_no_more(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(500, largest_bid_micros=10**12)])
    replica.tick()
    assert replica.left() == 500
    assert amounts(ledger) == {"leased": 500}


def quick() -> LeaseSettings:
    return SMALL.model_copy(update={"observe_s": 1.0})


def test_after_a_restart_a_lifetime_budgets_day_goes_on_where_it_was(ledger: Ledger) -> None:
    plan = [lifetime(100_000, ends_at=NOW + 10 * 86_400)]
    first = Replica(ledger, plan, "a", quick())
    first.tick()
    part, _ = account(first)
    click(ledger, 1, 9_000)
    first.tick(2.0)
    second = Replica(ledger, plan, "b", quick())
    second.now = first.now
    second.tick(1.0)
    assert account(second) == (part, 9_000), "the same part of the day, and the money gone from it"


def account(replica: Replica) -> tuple[int, int]:
    """Day's budget and day's spend, as the pacing controller has them."""
    controller = replica.budgets._pacing[CAMPAIGN]
    return controller.budget_micros, controller.spent_micros


def test_a_lifetime_budget_after_a_daily_one_is_paced_from_today_and_not_from_all_time(
    ledger: Ledger,
) -> None:
    ends_at = datetime(2026, 6, 7, tzinfo=UTC).timestamp()
    replica = Replica(ledger, [daily(1_000)], settings=quick())
    replica.tick()
    click(ledger, 1, 1_000)
    replica.tick(2.0)
    assert replica.multiplier() == 0.01
    replica.campaigns = [lifetime(100_000, ends_at=ends_at)]
    replica.tick(2.0)
    assert account(replica) == (10_000, 1_000)
    assert replica.multiplier() == 1.0
    replica.tick(2.0)
    assert replica.multiplier() == 1.0


def test_a_changed_lifetime_or_end_changes_the_days_part_at_once(ledger: Ledger) -> None:
    days = [datetime(2026, 6, day, tzinfo=UTC).timestamp() for day in (2, 7)]
    replica = Replica(ledger, [lifetime(50_000, ends_at=days[0])], settings=quick())
    replica.tick()
    assert account(replica) == (10_000, 0)
    click(ledger, 1, 2_000)
    replica.tick(2.0)
    assert account(replica) == (10_000, 2_000), "its own spend changes no part"
    replica.campaigns = [lifetime(80_000, ends_at=days[0])]
    replica.tick(2.0)
    assert account(replica) == (16_000, 2_000)
    replica.campaigns = [lifetime(80_000, ends_at=days[1])]
    replica.tick(2.0)
    assert account(replica) == (8_000, 2_000)


def test_pacing_counts_young_promises_and_the_ledger_all_of_them(ledger: Ledger) -> None:
    replica = Replica(ledger, [daily(100_000)], settings=quick())
    replica.tick()
    replica.place("old", 50, life_s=3600.0)
    replica.tick(2.0)
    assert account(replica)[1] == 50
    replica.now += 300.0
    replica.tick()
    replica.place("young", 30, life_s=3600.0)
    replica.tick(2.0)
    assert account(replica)[1] == 30, "the old one had its time to be clicked"
    assert amounts(ledger)["reserved"] == 80
    click(ledger, "young", 900, replica.now)
    replica.tick(2.0)
    assert account(replica)[1] >= 900


def test_the_thread_renews_and_recovers_by_itself(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = LeasedBudgets()
    quick = SMALL.model_copy(update={"period_s": 0.02, "valid_s": 0.5})
    renewer = LeaseRenewer(ledger, budgets, lambda: [daily(10**6)], "a", quick)
    campaign = np.asarray([CAMPAIGN], np.int64)

    def wait_for(state: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not state():
            assert time.monotonic() < end
            time.sleep(0.01)

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "renew", lambda *_: 1 / 0)
        renewer.start()
        assert not budgets.live, "until the first renewal succeeds"
    try:
        wait_for(lambda: budgets.live)
        wait_for(lambda: bool(budgets.available(campaign, time.time())[0]))
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "renew", lambda *_: 1 / 0)
            wait_for(lambda: not budgets.available(campaign, time.time())[0])
        wait_for(lambda: bool(budgets.available(campaign, time.time())[0]))
    finally:
        renewer.stop()
    assert not any(each.name == "lease-renewer" for each in threading.enumerate())


@pytest.mark.parametrize("replicas", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_over_delivery_is_bounded_at_one_second_event_lag(tmp_path: Path, replicas: int) -> None:
    """Clicks told one second late: nothing is charged past the budget, and little is given away."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    limit, price, p_click = 500_000_000, 400_000, 0.05
    settings = LeaseSettings(observe_s=1e9)
    plan = [daily(limit, pacing=PacingSettings(mode=Pacing.ACCELERATED))]
    fleet = [Replica(ledger, plan, f"r{n}", settings) for n in range(replicas)]
    rng = np.random.default_rng(5)
    lagging: list[list[PlacementEvent]] = [[], []]
    amount = expected_charge(price, p_click)
    number = refused = idle = 0
    for turn in range(1_200):
        now = NOW + turn * 0.5
        for each in fleet:
            each.now = now
            each.renewer.tick(now)
        due = lagging.pop(0)
        lagging.append([])
        if due:
            ledger.settle(due, now)
        before = refused
        for _ in range(120):
            each = fleet[number % replicas]
            number += 1
            if each.left() < amount:
                refused += 1
                continue
            each.place(str(number), amount, life_s=2.0)
            if rng.random() < p_click:
                placed = placement(number, price)
                lagging[-1].append(happened(f"e{number}", placed, EventType.CLICK, now))
        idle = idle + 1 if refused - before == 120 else 0
        if idle > 16:  # Eight seconds: what expired since was spent again.
            break
    for due in lagging:
        answers = ledger.settle(due, NOW + 1000)
        assert all(answer.status in (Status.CHARGED, Status.FREE) for answer in answers)
    row = next(each for each in ledger.balances([CAMPAIGN]) if each.day == DAY)
    assert refused > 0, "the market is large enough to use the budget up"
    assert row.spent_micros <= limit
    assert row.spent_micros >= 0.995 * limit
    assert row.free_micros <= 0.005 * limit
    ledger.close()
