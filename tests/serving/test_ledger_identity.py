"""Charges equal the ledger: every micro that an auction priced and an event earned is charged, once."""

from pathlib import Path

import numpy as np
import pytest

from auction.auction import hold_auctions
from auction.billable import Billable
from auction.policy import AuctionPolicy, Exposure, Pricing, Quality, Reserve
from auction.simulation.sample import sample_slates
from serving.ledger import BudgetLimit, EventType, Ledger, PlacementEvent, Status
from serving.token import Placement
from tests.serving.market import DAY, NOW

POLICY = AuctionPolicy(
    exchange_rate=9_000.0,
    exposure=Exposure(examination=[0.95**s for s in range(20)], gap_effect=[0.5, 0.8]),
    reserve=Reserve(impression_micros=3_000, click_micros=60_000, conversion_micros=900_000),
    quality=Quality(save_micros=40_000.0),
)
EVENT = {
    Billable.IMPRESSION: EventType.IMPRESSION,
    Billable.CLICK: EventType.CLICK,
    Billable.CONVERSION: EventType.CONVERSION,
}
AMPLE = 2**50


def placements(pricing: Pricing, count: int = 120) -> list[Placement]:
    """What auctions showed, each at its price. Paid by impression, click or conversion."""
    rng = np.random.default_rng(51)
    batch = sample_slates(rng, count, (3, 10), (6, 14), advertisers=12, billables=tuple(EVENT))
    outcomes = hold_auctions(batch, POLICY.model_copy(update={"pricing": pricing}))
    placed = []
    for ad in np.flatnonzero(outcomes.position):
        placed.append(
            Placement(
                placement_id=f"p{ad}",
                request_id="r",
                ad_id=int(batch.ad_id[ad]),
                campaign_id=int(batch.campaign_id[ad]),
                advertiser_id=int(batch.advertiser_id[ad]),
                day=DAY,
                billable=Billable(int(batch.billable[ad])),
                price_micros=int(outcomes.price_micros[ad]),
                position=int(outcomes.position[ad]),
                issued_at=NOW,
                expires_at=NOW + 3_600.0,
            )
        )
    return placed


def happenings(placed: list[Placement]) -> list[PlacementEvent]:
    """Impressions of most placements, clicks of many, conversions of some (a few twice), in any order, some
    of them delivered a second time."""
    rng = np.random.default_rng(52)
    events = []
    for each in placed:
        for kind, share in ((EventType.IMPRESSION, 0.9), (EventType.CLICK, 0.6), (EventType.CONVERSION, 0.5)):
            if rng.random() < share:
                events.append(PlacementEvent(f"{each.placement_id}-{kind}", kind, NOW + 1, each))
        if rng.random() < 0.2:
            twice = EventType.CONVERSION
            events.append(PlacementEvent(f"{each.placement_id}-again", twice, NOW + 2, each, 5_000))
    again = [events[n] for n in rng.choice(len(events), len(events) // 4, replace=False)]
    shuffled = [*events, *again]
    rng.shuffle(shuffled)
    return shuffled


def earned(placed: list[Placement], events: list[PlacementEvent]) -> dict[int, int]:
    """Micros by campaign: prices of the placements whose billable event came, added up by hand."""
    came = {(event.placement.placement_id, event.type) for event in events}
    sums: dict[int, int] = {}
    for each in placed:
        price = each.price_micros if (each.placement_id, EVENT[each.billable]) in came else 0
        sums[each.campaign_id] = sums.get(each.campaign_id, 0) + price
    return sums


@pytest.fixture
def embedded(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.mark.parametrize("pricing", Pricing)
def test_the_sum_charged_is_the_sum_of_prices_to_the_micro(pricing: Pricing, embedded: Ledger) -> None:
    placed = placements(pricing)
    events = happenings(placed)
    due = earned(placed, events)
    assert len(placed) > 150
    assert len({each.billable for each in placed}) == 3
    embedded.set_budgets([BudgetLimit(campaign, DAY, AMPLE) for campaign in due])
    answers = [
        answer for n in range(0, len(events), 37) for answer in embedded.settle(events[n : n + 37], NOW + 3)
    ]
    assert sum(answer.charged_micros for answer in answers) == sum(due.values())
    assert sum(answer.free_micros for answer in answers) == 0
    spent = {row.campaign_id: row.spent_micros for row in embedded.balances(list(due))}
    assert spent == due
    for campaign, micros in due.items():
        account = embedded.statement(campaign)
        assert (account.charged_micros, account.free_micros) == (micros, 0)
    # Every placement that was charged was charged its price, and once.
    price = {each.placement_id: each.price_micros for each in placed}
    charged = [
        (event.placement.placement_id, answer.charged_micros)
        for event, answer in zip(events, answers, strict=True)
        if answer.status is Status.CHARGED
    ]
    assert len({name for name, _ in charged}) == len(charged)
    assert all(micros == price[name] for name, micros in charged)
    embedded.close()


def test_where_a_budget_ends_charged_and_free_are_still_the_sum_of_prices(embedded: Ledger) -> None:
    placed = placements(Pricing.SECOND_PRICE)
    events = happenings(placed)
    due = earned(placed, events)
    limit = {campaign: micros // 3 for campaign, micros in due.items()}
    embedded.set_budgets([BudgetLimit(campaign, DAY, micros) for campaign, micros in limit.items()])
    answers = embedded.settle(events, NOW + 3)
    assert sum(answer.charged_micros + answer.free_micros for answer in answers) == sum(due.values())
    for row in embedded.balances(list(due)):
        assert row.spent_micros == limit[row.campaign_id]
        assert row.spent_micros + row.free_micros == due[row.campaign_id]
    embedded.close()


def test_the_order_of_the_events_changes_no_sum(tmp_path: Path) -> None:
    placed = placements(Pricing.VCG, 40)
    events = happenings(placed)
    due = earned(placed, events)
    for turn, order in enumerate((events, events[::-1])):
        ledger = Ledger(f"sqlite:///{tmp_path / f'ledger{turn}.db'}")
        ledger.set_budgets([BudgetLimit(campaign, DAY, AMPLE) for campaign in due])
        assert sum(answer.charged_micros for answer in ledger.settle(order, NOW + 3)) == sum(due.values())
        ledger.close()
