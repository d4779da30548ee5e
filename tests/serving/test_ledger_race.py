"""Several writers on one ledger at once, on SQLite and on PostgreSQL."""

import random
import threading
from collections.abc import Callable

from serving.ledger import LIFETIME, EventType, Ledger, Want
from tests.serving.market import CAMPAIGN, DAY, NOW, amounts, budget, happened, held, placement

Opens = Callable[[], Ledger]


def race(works: list[Callable[[], None]]) -> None:
    failed: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def test_four_writers_on_one_small_budget_never_pass_it(open_ledger: Opens) -> None:
    ledger = open_ledger()
    ledger.set_budgets([budget(1234), budget(3000, LIFETIME)])
    draws = random.Random(7)
    prices = [draws.randint(1, 40) for _ in range(400)]
    events = [happened(f"e{n}", placement(n, price)) for n, price in enumerate(prices)]

    def work(name: int) -> Callable[[], None]:
        mine = open_ledger()
        order = random.Random(name).sample(events, len(events))  # Every writer tells everything.

        def run() -> None:
            for start in range(0, len(order), 40):
                mine.settle(order[start : start + 40], NOW + 1)
                spent = amounts(mine)["spent"]
                assert spent <= 1234

        return run

    race([work(name) for name in range(4)])
    assert amounts(ledger) == {"spent": 1234, "free": sum(prices) - 1234}
    account = ledger.statement(CAMPAIGN)
    assert (account.charged_micros, account.free_micros) == (1234, sum(prices) - 1234)
    assert account.days[0].charges == account.events[EventType.CLICK] == 400


def test_four_replicas_never_lease_more_than_there_is_while_events_settle(open_ledger: Opens) -> None:
    ledger = open_ledger()
    ledger.set_budgets([budget(5000), budget(9000, LIFETIME)])

    def work(name: int) -> Callable[[], None]:
        mine = open_ledger()

        def run() -> None:
            remaining = 0
            for turn in range(15):
                number = f"{name}-{turn}"
                told = [held(number, 30)] if remaining >= 30 else []
                (part,) = mine.renew(f"r{name}", told, [Want(CAMPAIGN, DAY, 100 * (turn % 4))], NOW)
                remaining = part.remaining_micros
                if told:
                    mine.settle([happened(number, placement(number, 30))], NOW + 1)
                (day, lifetime) = mine.balances([CAMPAIGN])
                for row in (day, lifetime):
                    assert row.spent_micros + row.reserved_micros + row.leased_micros <= row.limit_micros

        return run

    race([work(name) for name in range(4)])
    row = amounts(ledger)
    account = ledger.statement(CAMPAIGN)
    assert row["spent"] == account.charged_micros == 30 * account.events[EventType.CLICK]
    assert "reserved" not in row
    ledger.expire(NOW + 1000)
    assert amounts(ledger) == {"spent": row["spent"]}


def test_campaigns_locked_in_opposite_orders_do_not_deadlock(open_ledger: Opens) -> None:
    ledger = open_ledger()
    campaigns = list(range(100, 120))
    ledger.set_budgets([budget(10_000, DAY, each) for each in campaigns])

    def work(name: int) -> Callable[[], None]:
        mine = open_ledger()
        order = campaigns if name % 2 else campaigns[::-1]

        def run() -> None:
            for turn in range(10):
                key = f"{name}-{turn}"
                batch = [happened(f"{key}-{c}", placement(f"{key}-{c}", 1, campaign=c)) for c in order]
                mine.settle(batch, NOW + 1)
                mine.set_budgets([budget(10_000 + turn, DAY, c) for c in order])
                mine.expire(NOW + 1)

        return run

    race([work(name) for name in range(4)])
    assert [row.spent_micros for row in ledger.balances(campaigns)] == [40] * 20


def test_the_first_processes_may_all_create_the_tables(address: tuple[str, str | None]) -> None:
    opened: list[Ledger] = []
    race([lambda: opened.append(Ledger(*address)) for _ in range(4)])
    opened[0].set_budgets([budget(10)])
    assert [len(each.balances([CAMPAIGN])) for each in opened] == [1] * 4
    for each in opened:
        each.close()


# What goes wrong with the database.
