"""The ledger, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from auction.billable import Billable
from auction.errors import InputError
from serving.ledger import (
    LIFETIME,
    BudgetLimit,
    EventType,
    Ledger,
    LedgerMismatch,
    LedgerUnavailable,
    PlacementEvent,
    Status,
    Want,
)
from tests.serving.market import CAMPAIGN, DAY, NOW, amounts, budget, happened, held, placement

Opens = Callable[[], Ledger]


def statuses(ledger: Ledger, events: list[PlacementEvent], now: float = NOW + 1) -> list[Status]:
    return [answer.status for answer in ledger.settle(events, now)]


# Charging.


def test_the_billable_event_charges_its_price(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000), budget(5000, LIFETIME)])
    (answer,) = ledger.settle([happened("e", placement(1))], NOW + 1)
    assert (answer.status, answer.charged_micros, answer.free_micros) == (Status.CHARGED, 100, 0)
    assert amounts(ledger) == {"spent": 100}
    assert amounts(ledger, LIFETIME) == {"spent": 100}


def test_an_event_id_counts_once_whatever_is_retried(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    batch = [happened("e", placement(1)), happened("e", placement(1)), happened("f", placement(2))]
    assert statuses(ledger, batch) == [Status.CHARGED, Status.DUPLICATE, Status.CHARGED]
    assert statuses(ledger, batch) == [Status.DUPLICATE] * 3
    assert statuses(ledger, [happened("e", placement(3))]) == [Status.DUPLICATE], "the id, not the placement"
    assert amounts(ledger) == {"spent": 200}


def test_a_second_click_of_a_placement_is_a_duplicate(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    assert statuses(ledger, [happened("e", placement(1)), happened("f", placement(1))]) == [
        Status.CHARGED,
        Status.DUPLICATE,
    ]
    assert statuses(ledger, [happened("g", placement(1))]) == [Status.DUPLICATE]
    assert amounts(ledger) == {"spent": 100}


def test_only_the_billable_event_costs(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    shown = placement(1, billable=Billable.IMPRESSION)
    batch = [happened(kind, shown, kind) for kind in EventType]
    assert dict(zip(EventType, statuses(ledger, batch), strict=True)) == {
        EventType.IMPRESSION: Status.CHARGED,
        EventType.CLICK: Status.RECORDED,
        EventType.CONVERSION: Status.RECORDED,
        EventType.VIEW: Status.RECORDED,
        EventType.SAVE: Status.RECORDED,
        EventType.HIDE: Status.RECORDED,
    }
    assert amounts(ledger) == {"spent": 100}


def test_conversions_of_one_click_are_all_recorded_and_charged_once(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    bought = placement(1, billable=Billable.CONVERSION)
    batch = [happened(f"c{n}", bought, EventType.CONVERSION, value=1_000 + n) for n in range(3)]
    assert statuses(ledger, batch[:2]) == [Status.CHARGED, Status.RECORDED]
    assert statuses(ledger, batch) == [Status.DUPLICATE, Status.DUPLICATE, Status.RECORDED]
    account = ledger.statement(CAMPAIGN)
    assert (account.charged_micros, account.value_micros) == (100, 3_003)
    assert account.events == {EventType.CONVERSION: 3}


def test_the_last_charge_is_what_the_budget_has_left_and_the_rest_is_free(ledger: Ledger) -> None:
    ledger.set_budgets([budget(250)])
    answers = ledger.settle([happened(f"e{n}", placement(n)) for n in range(4)], NOW + 1)
    assert [(each.status, each.charged_micros, each.free_micros) for each in answers] == [
        (Status.CHARGED, 100, 0),
        (Status.CHARGED, 100, 0),
        (Status.CHARGED, 50, 50),
        (Status.FREE, 0, 100),
    ]
    assert amounts(ledger) == {"spent": 250, "free": 150}
    assert ledger.statement(CAMPAIGN).free_micros == 150


def test_a_charge_counts_against_the_day_and_the_lifetime_and_the_smaller_decides(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000), budget(1000, "2026-05-29"), budget(150, LIFETIME)])
    answers = ledger.settle(
        [happened("a", placement(1)), happened("b", placement(2, day="2026-05-29"))], NOW + 1
    )
    assert [each.charged_micros for each in answers] == [100, 50]
    assert amounts(ledger) == {"spent": 100}
    assert amounts(ledger, "2026-05-29") == {"spent": 50, "free": 50}
    assert amounts(ledger, LIFETIME) == {"spent": 150, "free": 50}


def test_a_campaign_without_a_budget_pays_nothing(ledger: Ledger) -> None:
    assert statuses(ledger, [happened("e", placement(1))]) == [Status.FREE]
    assert ledger.statement(CAMPAIGN).charged_micros == 0


def test_a_placement_of_price_zero_is_charged_zero(ledger: Ledger) -> None:
    ledger.set_budgets([budget(0)])
    assert statuses(ledger, [happened("e", placement(1, price=0))]) == [Status.CHARGED]


def test_the_sum_charged_does_not_depend_on_the_order(ledger: Ledger) -> None:
    prices = [70, 110, 40, 130]
    days = [DAY, "2026-05-29", DAY, "2026-05-29"]
    for turn, order in enumerate(list(permutations(range(4)))[::3]):
        campaign = 1000 + turn
        ledger.set_budgets(
            [
                budget(100, DAY, campaign),
                budget(200, "2026-05-29", campaign),
                budget(270, LIFETIME, campaign),
            ]
        )
        for n in order:
            placed = placement(f"{turn}-{n}", prices[n], day=days[n], campaign=campaign)
            ledger.settle([happened(f"{turn}-{n}", placed)], NOW + 1)
        assert ledger.statement(campaign).charged_micros == 270


# What does not count.


def test_an_event_after_the_placements_time_is_expired(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    placed = placement(1, life_s=60)
    assert statuses(ledger, [happened("late", placed, time=NOW + 61)], NOW + 30) == [Status.EXPIRED]
    assert statuses(ledger, [happened("told late", placed)], NOW + 60.1) == [Status.EXPIRED]
    assert statuses(ledger, [happened("just", placed, time=NOW + 60)], NOW + 60) == [Status.CHARGED]
    assert amounts(ledger) == {"spent": 100}


@pytest.mark.parametrize(
    "bad",
    [
        {"time": NOW - 301},
        {"time": NOW + 302},
        {"time": float("nan")},
        {"time": -float("inf")},
        {"value": -1},
        {"value": 2**53 + 1},
    ],
)
def test_an_event_that_cannot_be_is_invalid_and_alone_in_it(ledger: Ledger, bad: dict[str, float]) -> None:
    ledger.set_budgets([budget(1000)])
    batch = [happened("bad", placement(1), **bad), happened("good", placement(2))]  # type: ignore[arg-type]
    assert statuses(ledger, batch) == [Status.INVALID, Status.CHARGED]
    assert amounts(ledger) == {"spent": 100}


def test_a_click_after_midnight_is_charged_to_the_impressions_day(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000), budget(1000, "2026-05-29")])
    ledger.settle([happened("e", placement(1, life_s=86_400), time=NOW + 50_000)], NOW + 50_000)
    assert amounts(ledger) == {"spent": 100}
    assert amounts(ledger, "2026-05-29") == {}


def test_an_empty_batch_is_no_work(ledger: Ledger) -> None:
    assert ledger.settle([], NOW) == []
    ledger.set_budgets([])
    assert ledger.balances([]) == []


# Leases and reservations.


def lease(ledger: Ledger, replica: str, target: int, now: float = NOW, **more: float) -> int:
    (part,) = ledger.renew(replica, [], [Want(CAMPAIGN, DAY, target)], now, **more)
    return part.remaining_micros


def test_a_lease_takes_no_more_than_what_is_neither_spent_nor_held_nor_leased(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000), budget(700, LIFETIME)])
    assert lease(ledger, "a", 400) == 400
    ledger.settle([happened("e", placement(1))], NOW + 1)
    assert lease(ledger, "b", 400) == 200, "700 of the lifetime, less 400 leased and 100 spent"
    assert lease(ledger, "c", 400) == 0
    assert amounts(ledger) == {"spent": 100, "leased": 600}


def test_a_lease_given_back_can_be_leased_again(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    assert lease(ledger, "a", 1000) == 1000
    assert lease(ledger, "a", 250) == 250
    assert lease(ledger, "b", 1000) == 750
    assert lease(ledger, "a", 0) == 0


def test_replicas_share_what_is_left_down_to_the_last_micro(ledger: Ledger) -> None:
    ledger.set_budgets([budget(10)])
    assert lease(ledger, "a", 10, share=0.5) == 5
    assert lease(ledger, "b", 10, share=0.5) == 3
    assert lease(ledger, "a", 10, share=0.5) == 6
    assert lease(ledger, "b", 10, share=0.5) == 4
    assert amounts(ledger) == {"leased": 10}


def test_renewing_again_with_the_same_words_changes_nothing(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000), budget(5000, LIFETIME)])
    words = ([held(1), held(2, 20)], [Want(CAMPAIGN, DAY, 100)])
    lease(ledger, "a", 100)
    first = ledger.renew("a", *words, NOW)
    before = ledger.balances([CAMPAIGN])
    assert ledger.renew("a", *words, NOW) == first
    assert ledger.balances([CAMPAIGN]) == before
    assert amounts(ledger) == {"reserved": 30, "leased": 100}


def test_placing_moves_money_from_the_lease_to_the_reservation_and_the_event_to_the_charge(
    ledger: Ledger,
) -> None:
    ledger.set_budgets([budget(1000)])
    lease(ledger, "a", 50)
    (part,) = ledger.renew("a", [held(1, 10)], [], NOW)
    assert part.remaining_micros == 40
    assert amounts(ledger) == {"reserved": 10, "leased": 40}
    ledger.settle([happened("e", placement(1))], NOW + 1)
    assert amounts(ledger) == {"spent": 100, "leased": 40}


def test_an_event_settled_before_its_placement_is_told_is_not_held_again(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000), budget(2000, LIFETIME)])
    lease(ledger, "a", 50)
    ledger.settle([happened("e", placement(1))], NOW + 1)
    ledger.renew("a", [held(1, 10)], [], NOW + 2)
    ledger.renew("a", [held(1, 10)], [], NOW + 2)
    assert amounts(ledger) == {"spent": 100, "leased": 40}
    assert amounts(ledger, LIFETIME) == {"spent": 100, "leased": 40}
    ledger.expire(NOW + 1000)
    assert amounts(ledger) == {"spent": 100}


def test_an_event_that_costs_nothing_leaves_the_reservation(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    ledger.renew("a", [held(1, 10)], [], NOW)
    ledger.settle([happened("i", placement(1), EventType.IMPRESSION)], NOW + 1)
    assert amounts(ledger) == {"reserved": 10}


def test_a_reservation_is_released_when_its_time_is_up_and_a_later_event_is_still_charged(
    ledger: Ledger,
) -> None:
    ledger.set_budgets([budget(1000)])
    ledger.renew("a", [held(1, 10), held(2, 10, life_s=120)], [], NOW)
    assert ledger.expire(NOW + 59.9).reservations == 0
    swept = ledger.expire(NOW + 60)
    assert (swept.reservations, swept.reserved_micros) == (1, 10)
    assert ledger.expire(NOW + 60).reservations == 0
    assert amounts(ledger) == {"reserved": 10}
    assert statuses(ledger, [happened("e", placement(1), time=NOW + 61)], NOW + 61) == [Status.CHARGED]
    assert amounts(ledger) == {"spent": 100, "reserved": 10}


def test_a_crashed_replicas_lease_goes_back_when_its_time_is_up(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    lease(ledger, "crashed", 1000, lease_s=5.0)
    assert lease(ledger, "other", 1000, NOW + 4.9) == 0
    assert ledger.expire(NOW + 4.9).replicas == 0
    swept = ledger.expire(NOW + 5)
    assert (swept.replicas, swept.leased_micros) == (1, 1000)
    assert lease(ledger, "other", 1000, NOW + 5) == 1000


def test_a_heartbeat_keeps_all_leases_of_a_replica(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    lease(ledger, "a", 700, lease_s=5.0)
    ledger.renew("a", [], [], NOW + 4, lease_s=5.0)
    assert ledger.expire(NOW + 8).replicas == 0
    assert amounts(ledger) == {"leased": 700}


def test_a_replica_thought_dead_still_tells_what_it_showed(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    lease(ledger, "slow", 500)
    ledger.expire(NOW + 1000)
    (part,) = ledger.renew("slow", [held(1, 30)], [Want(CAMPAIGN, DAY, 500)], NOW + 1001)
    assert part.remaining_micros == 500
    assert amounts(ledger) == {"reserved": 30, "leased": 500}


def test_old_reservations_are_forgotten_a_day_after_their_time(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    ledger.renew("a", [held(1), held(2)], [], NOW)
    ledger.settle([happened("e", placement(1))], NOW + 1)
    ledger.expire(NOW + 60)
    ledger.expire(NOW + 60 + 86_400)
    ledger.renew("a", [held(1)], [], NOW + 86_500)
    assert amounts(ledger) == {"spent": 100}, "what was charged is never held again"


def test_more_overdue_reservations_than_one_sweep_takes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.ledger.SWEEP", 7)
    ledger.set_budgets([budget(1000)])
    ledger.renew("a", [held(number, 1) for number in range(30)], [], NOW)
    assert ledger.expire(NOW + 100).reservations == 30
    assert amounts(ledger) == {}


# Limits.


def test_a_limit_added_at_noon_counts_the_morning(ledger: Ledger) -> None:
    ledger.set_budgets([budget(100, LIFETIME)])
    ledger.settle([happened("a", placement(1, 70)), happened("b", placement(2, 70))], NOW + 1)
    ledger.settle([happened("c", placement(3, 5, day="2026-05-29"))], NOW + 1)
    ledger.set_budgets([budget(1000, LIFETIME)])
    lease(ledger, "a", 300)
    ledger.renew("a", [held(9, 20)], [], NOW)
    ledger.set_budgets([budget(150), budget(1000, LIFETIME)])
    assert amounts(ledger) == {"spent": 100, "reserved": 20, "leased": 280, "free": 40}
    assert lease(ledger, "b", 300) == 0
    ledger.settle([happened("d", placement(9, 80))], NOW + 1)
    assert amounts(ledger) == {"spent": 150, "leased": 280, "free": 70}
    assert amounts(ledger, LIFETIME) == {"spent": 150, "leased": 280, "free": 75}


def test_a_limit_taken_away_binds_no_more_and_counts_on(ledger: Ledger) -> None:
    ledger.set_budgets([budget(100), budget(50, LIFETIME)])
    statuses(ledger, [happened("a", placement(1))])
    assert amounts(ledger) == {"spent": 50, "free": 50}
    ledger.set_budgets([budget(100), BudgetLimit(CAMPAIGN, LIFETIME, None)])
    assert lease(ledger, "a", 1000) == 50
    assert [each.charged_micros for each in ledger.settle([happened("b", placement(2))], NOW + 1)] == [50]
    assert amounts(ledger, LIFETIME) == {"spent": 100, "leased": 50, "free": 100}
    ledger.set_budgets([budget(1000), budget(120, LIFETIME)])
    assert [each.charged_micros for each in ledger.settle([happened("c", placement(3))], NOW + 1)] == [20]


def test_a_limit_that_never_was_is_taken_away_without_a_row(ledger: Ledger) -> None:
    ledger.set_budgets([BudgetLimit(CAMPAIGN, LIFETIME, None)])
    assert ledger.balances([CAMPAIGN]) == []
    assert statuses(ledger, [happened("a", placement(1))]) == [Status.FREE]


def test_a_lease_takes_the_least_that_is_wanted_beyond_its_share(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    (mine,) = ledger.renew("a", [], [Want(CAMPAIGN, DAY, 900, 700)], NOW, share=0.5)
    (other,) = ledger.renew("b", [], [Want(CAMPAIGN, DAY, 900, 700)], NOW, share=0.5)
    assert (mine.remaining_micros, other.remaining_micros) == (700, 300)
    with pytest.raises(InputError, match="least_micros"):
        ledger.renew("a", [], [Want(CAMPAIGN, DAY, 900, 901)], NOW)


def test_recent_promises_are_those_near_the_newest_and_still_held(ledger: Ledger) -> None:
    assert ledger.recent(100.0) == {}
    ledger.set_budgets([budget(1000), budget(1000, campaign=7)])
    told = [
        held(1, 10, life_s=3600.0),
        held(2, 20, life_s=3550.0),
        held(3, 40, life_s=3400.0),
        held(4, 80, life_s=3590.0),
        held(5, 5, campaign=7, life_s=3580.0),
    ]
    ledger.renew("a", told, [], NOW)
    statuses(ledger, [happened("d", placement(4))])
    assert ledger.recent(100.0) == {(CAMPAIGN, DAY): 30, (7, DAY): 5}
    assert ledger.recent(3600.0)[CAMPAIGN, DAY] == 70
    with pytest.raises(InputError, match="within_s"):
        ledger.recent(-1.0)


def test_a_limit_below_what_was_spent_takes_nothing_back(ledger: Ledger) -> None:
    ledger.set_budgets([budget(1000)])
    ledger.settle([happened("a", placement(1))], NOW + 1)
    ledger.set_budgets([budget(30)])
    assert statuses(ledger, [happened("b", placement(2))]) == [Status.FREE]
    assert amounts(ledger) == {"spent": 100, "free": 100}
    ledger.set_budgets([budget(150)])
    assert [each.charged_micros for each in ledger.settle([happened("c", placement(3))], NOW + 1)] == [50]


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        (BudgetLimit(1, DAY, -1), "limit_micros"),
        (BudgetLimit(1, DAY, 2**53 + 1), "limit_micros"),
        (BudgetLimit(1, "today", 1), "day"),
        (BudgetLimit(1, "20260528", 1), "day"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_field(ledger: Ledger, limit: BudgetLimit, field: str) -> None:
    with pytest.raises(InputError, match=rf"limits\[1\]\.{field}"):
        ledger.set_budgets([budget(5), limit])
    assert ledger.balances([CAMPAIGN]) == [], "all or nothing"


def test_many_campaigns_in_one_call(ledger: Ledger) -> None:
    campaigns = range(1, 3001)
    ledger.set_budgets([budget(100, DAY, each) for each in campaigns])
    ledger.set_budgets([budget(200, DAY, each) for each in campaigns])
    parts = ledger.renew("a", [], [Want(each, DAY, 150) for each in campaigns], NOW)
    assert {part.remaining_micros for part in parts} == {150}
    assert [row.left_micros for row in ledger.balances(list(campaigns))] == [50] * 3000


def test_a_ledger_of_another_version_is_left_alone(address: tuple[str, str | None], ledger: Ledger) -> None:
    from serving.ledger.tables import ledger_version

    ledger._database.write(lambda link: link.execute(ledger_version.update().values(version=99)))
    with pytest.raises(LedgerMismatch, match="99"):
        Ledger(*address)


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///:memory:", "mysql://host/name", "no url at all", "sqlite:///"]
)
def test_a_url_that_names_no_shared_database_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="url"):
        Ledger(url)


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(LedgerUnavailable):
        Ledger("postgresql://postgres@127.0.0.1:1/postgres", patience_s=1.0)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        Ledger(f"sqlite:///{tmp_path / 'missing' / 'ledger.db'}")


def test_while_another_writer_holds_the_database_the_ledger_is_unavailable_and_nothing_is_half_done(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger, other = Ledger(url, patience_s=0.05), Ledger(url)
    ledger.set_budgets([budget(1000)])
    with other._database._engine.begin():
        with pytest.raises(LedgerUnavailable, match="locked"):
            ledger.settle([happened("e", placement(1))], NOW + 1)
        assert amounts(ledger) == {}, "reading goes on"
    assert statuses(ledger, [happened("e", placement(1))]) == [Status.CHARGED]
    ledger.close()
    other.close()


def test_sqlite_commits_with_full_sync_in_wal(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")

    def pragma(name: str) -> object:
        return ledger._database.read(lambda link: link.exec_driver_sql(f"PRAGMA {name}").scalar())

    assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", 2)
    ledger.close()
