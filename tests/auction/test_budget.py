"""Budgets as the auction sees them."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.budget import UNLIMITED, Budgets, Lease, LeasedBudgets, OpenBudgets
from auction.day import Day
from auction.errors import InputError
from auction.pacing import Pacing, PacingController, PacingSettings
from auction.reservation import expected_charge


def ids(*campaigns: int) -> np.ndarray:
    return np.asarray(campaigns, np.int64)


def left(budgets: Budgets, *campaigns: int, now: float = 0.0) -> list[int]:
    return budgets.available(ids(*campaigns), now).tolist()


def leased(**leases: int) -> LeasedBudgets:
    budgets = LeasedBudgets()
    budgets.renew(Lease(int(name[1:]), amount) for name, amount in leases.items())
    return budgets


def test_open_budgets_limit_nothing() -> None:
    budgets = OpenBudgets()
    budgets.reserve("p", 1, 10, 0.0, 1.0)
    assert left(budgets, 1, 2) == [UNLIMITED, UNLIMITED]
    assert budgets.multiplier(ids(1, 2), 0.0).tolist() == [1.0, 1.0]


def test_the_expected_charge_is_rounded_up_and_never_nothing() -> None:
    assert expected_charge(1_600_000, 0.05) == 80_000
    assert expected_charge(3, 0.5) == 2
    assert expected_charge(1000, 0.0) == 1
    assert expected_charge(0, 1.0) == 1


def test_what_is_in_flight_cannot_be_promised_again() -> None:
    budgets = leased(c5=100, c3=50)
    budgets.reserve("p1", 5, 60, 0.0, 10.0)
    assert left(budgets, 3, 5, 5) == [50, 40, 40]
    budgets.reserve("p1", 5, 60, 0.0, 10.0)
    assert left(budgets, 5) == [40], "the same placement holds once"


def test_an_unknown_campaign_has_no_money() -> None:
    assert left(LeasedBudgets(), 1) == [0]
    assert left(leased(c2=9), 1, 2, 3) == [0, 9, 0]
    with pytest.raises(InputError, match="campaign_id"):
        leased(c2=9).reserve("p", 1, 1, 0.0, 1.0)


def test_a_placement_that_costs_nothing_holds_nothing() -> None:
    budgets = leased(c2=9)
    budgets.reserve("p", 2, 0, 0.0, 1.0)
    assert (left(budgets, 2), budgets.pending()) == ([9], [])


def test_a_reservation_that_cannot_be_is_refused_before_it_reaches_a_flush() -> None:
    budgets = leased(c2=9)
    with pytest.raises(InputError, match="amount_micros"):
        budgets.reserve("p", 2, -1, 0.0, 1.0)
    with pytest.raises(InputError, match="placement_id"):
        budgets.reserve("p\x00", 2, 1, 0.0, 1.0)
    assert budgets.pending() == []


def test_settling_charges_the_price_and_frees_the_expectation() -> None:
    budgets = leased(c1=100)
    budgets.reserve("p", 1, 5, 0.0, 10.0)
    assert budgets.settle("p", 30, 1.0) == 30
    assert left(budgets, 1) == [70]
    assert budgets.settle("p", 30, 1.0) == 0, "once"


def test_a_charge_never_passes_the_lease() -> None:
    budgets = leased(c1=100)
    budgets.reserve("p", 1, 90, 0.0, 10.0)
    budgets.reserve("q", 1, 90, 0.0, 10.0)
    assert left(budgets, 1) == [0]
    assert (budgets.settle("p", 90, 1.0), budgets.settle("q", 90, 1.0)) == (90, 10)
    assert left(budgets, 1) == [0]


def test_a_placement_not_delivered_gives_its_money_back() -> None:
    budgets = leased(c1=100)
    budgets.reserve("p", 1, 40, 0.0, 10.0)
    assert budgets.release("p")
    assert not budgets.release("p")
    assert left(budgets, 1) == [100]


def test_a_reservation_expires_at_its_time() -> None:
    budgets = leased(c1=100)
    budgets.reserve("p", 1, 40, 0.0, 10.0)
    budgets.reserve("q", 1, 7, 0.0, 20.0)
    assert left(budgets, 1, now=9.999) == [53]
    assert left(budgets, 1, now=10.0) == [93]
    assert budgets.expire(20.0) == 1
    assert budgets.settle("q", 7, 20.0) == 0


def test_a_placement_whose_time_was_up_can_be_held_anew() -> None:
    budgets = leased(c1=100)
    budgets.reserve("p", 1, 40, 0.0, 10.0)
    budgets.reserve("p", 1, 30, 10.0, 20.0)
    assert left(budgets, 1, now=10.0) == [70]


def test_a_lease_that_was_not_renewed_in_time_counts_as_zero_and_comes_back() -> None:
    time = [0.0]
    budgets = LeasedBudgets(clock=lambda: time[0])
    budgets.renew([Lease(1, 100)], valid_until=1.0)
    time[0] = 1.0
    assert left(budgets, 1) == [100]
    time[0] = 1.001
    assert left(budgets, 1) == [0]
    budgets.renew([], valid_until=2.0)
    assert left(budgets, 1) == [100]


def test_what_was_reserved_while_the_ledger_was_asked_still_counts_against_the_new_lease() -> None:
    budgets = leased(c1=100)
    budgets.reserve("told", 1, 30, 0.0, 10.0)
    told = budgets.pending()
    budgets.reserve("since", 1, 5, 0.0, 10.0)
    budgets.renew([Lease(1, 170)], told)  # The ledger took 30 off and granted 100 more.
    assert left(budgets, 1) == [165]
    assert [each.placement_id for each in budgets.pending()] == ["since"]


def test_a_lease_is_for_its_day_alone() -> None:
    today = Day.at(0.0, "UTC")
    tomorrow = Day.at(today.end, "UTC")
    budgets = LeasedBudgets()
    budgets.renew([Lease(1, 100, today)])
    budgets.reserve("p", 1, 10, 0.0, today.end + 100)
    assert left(budgets, 1, now=today.end - 1) == [90]
    assert left(budgets, 1, now=today.end) == [0]
    budgets.renew([Lease(1, 50, tomorrow)])
    assert budgets.day(1) == tomorrow.name
    assert left(budgets, 1, now=today.end) == [50], "yesterday's promise is not held against today"
    assert [each.day for each in budgets.pending()] == [today.name]
    assert budgets.release("p")
    assert left(budgets, 1, now=today.end) == [50]


def test_the_multiplier_is_the_controllers() -> None:
    budgets = leased(c1=100, c2=100)
    controller = PacingController(1000, "UTC", 0.0)
    budgets.pace(1, controller)
    budgets.pace(2, PacingController(1000, "UTC", 0.0, PacingSettings(mode=Pacing.ACCELERATED)))
    budgets.observe(1, 500, 1.0)
    budgets.observe(2, 500, 1.0)
    first, second, unknown = budgets.multiplier(ids(1, 2, 3), 1.0).tolist()
    assert first == controller.multiplier < 1.0
    assert (second, unknown) == (1.0, 1.0)
    budgets.pace(1, None)
    assert budgets.multiplier(ids(1), 1.0).tolist() == [1.0]


def test_settled_money_is_shown_to_the_controller() -> None:
    budgets = leased(c1=1000)
    controller = PacingController(1000, "UTC", 0.0)
    budgets.pace(1, controller)
    budgets.reserve("p", 1, 10, 0.0, 10.0)
    budgets.settle("p", 400, 1.0)
    assert controller.spent_micros == 400


def test_a_new_campaign_moves_no_other_campaigns_money() -> None:
    budgets = leased(c10=100, c30=300)
    budgets.reserve("p", 30, 30, 0.0, 10.0)
    budgets.renew([Lease(20, 200), Lease(5, 50)])
    assert left(budgets, 5, 10, 20, 30) == [50, 100, 200, 270]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reserve", "settle", "release", "expire"]), st.integers(0, 8), st.integers(1, 60)
        ),
        max_size=60,
    )
)
def test_money_is_neither_made_nor_lost(steps: list[tuple[str, int, int]]) -> None:
    budgets = leased(c1=200)
    held: dict[str, tuple[int, float]] = {}
    lease = 200
    for now, (verb, number, amount) in enumerate(steps):
        key = f"p{number}"
        held = {name: entry for name, entry in held.items() if entry[1] > now}
        if verb == "reserve":
            budgets.reserve(key, 1, amount, float(now), now + 5.0)
            held.setdefault(key, (amount, now + 5.0))
        elif verb == "settle":
            charged = budgets.settle(key, amount, float(now))
            assert charged == (min(amount, lease) if key in held else 0)
            held.pop(key, None)
            lease -= charged
        elif verb == "release":  # Is not told the time, so what is overdue is swept before.
            budgets.expire(float(now))
            assert budgets.release(key) == (held.pop(key, None) is not None)
        assert left(budgets, 1, now=float(now)) == [max(0, lease - sum(entry[0] for entry in held.values()))]


def test_threads_lose_no_reservation() -> None:
    budgets = leased(c1=10_000, c2=10_000)

    def work(name: int) -> None:
        for number in range(500):
            budgets.reserve(f"{name}-{number}", 1 + number % 2, 1, 0.0, 10.0)
            budgets.available(ids(1, 2), 0.0)
            if number % 5 == 0:
                budgets.renew([], budgets.pending()[:3])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, lease, held = budgets.balances()
    assert held.sum() == len(budgets.pending())
    assert left(budgets, 1, 2) == (lease - held).tolist()
