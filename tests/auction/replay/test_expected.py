"""What a layout is expected to bring: against a walk down the page, and against the auction's own totals."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.auction import hold_auctions
from auction.batch import SlateBatch
from auction.billable import Billable
from auction.hold import Hold
from auction.log.decisions import Decisions
from auction.policy import AuctionPolicy, Exposure, FeedRules
from auction.replay.expected import METRICS, expected, organic_value
from auction.simulation.sample import sample_slates
from auction.slate import Slate

EXAMINATION = [1.0, 0.8, 0.7, 0.5, 0.4, 0.2, 0.1]
MEASURE = AuctionPolicy(
    exchange_rate=3.0,
    exposure=Exposure(examination=EXAMINATION, gap_effect=[0.5, 0.8]),
    rules=FeedRules(first_position=1, min_gap=2, max_ads=3, max_share=0.5),
)


def decisions_of(slates: SlateBatch) -> Decisions:
    m = len(slates)
    nobody, nothing = pa.array(["r"] * m), np.zeros(m + 1, np.int64)
    return Decisions(
        source="made up",
        request_id=nobody,
        user_id=nobody,
        policy_hash=nobody,
        held=np.ones(m, np.bool_),
        slates=slates,
        reason=np.zeros(len(slates.ad_id), np.int8),
        shown_start=nothing,
        shown={},
        values={},
    )


Page = tuple[list[str], list[int]]
PAGES = st.tuples(
    st.lists(st.sampled_from(["organic", "ad", "module"]), max_size=14),
    st.lists(st.integers(1, 4), max_size=2),
)
"""What stands at each position, and modules held farther on than the page reaches."""


def walked(page: list[str], utility: list[float]) -> float:
    """Value of the organic items where the page shows them, in plain Python."""
    left, total = iter(utility), 0.0
    for seen, kind in zip(EXAMINATION + [0.0] * len(page), page, strict=False):
        if kind == "organic":
            total += seen * next(left) * 3.0
    return total


@settings(deadline=None)
@given(st.lists(PAGES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_organic_items_are_worth_what_a_walk_down_the_page_finds(pages: list[Page], random) -> None:
    slates, start, position, wanted = [], [0], [], []
    for page, beyond in pages:
        utility = [random.uniform(-1, 5) for _ in range(page.count("organic"))]
        modules = [n for n, kind in enumerate(page, 1) if kind == "module"]
        modules += [len(page) + 1 + each for each in beyond]
        hold = np.zeros(max(modules, default=0), np.int8)
        hold[np.array(modules, np.int64) - 1] = Hold.MODULE
        # A position without ads, or reserved for one, moves no organic item.
        hold[(hold == 0) & (np.arange(len(hold)) % 2 == 0)] = Hold.NO_AD
        grades = np.zeros(len(utility), np.int8)
        slates.append(Slate.organic(1, np.array(utility), grades, hold=hold))
        ads = [n for n, kind in enumerate(page, 1) if kind == "ad"]
        position += ads
        start.append(start[-1] + len(ads))
        wanted.append(walked(page, utility))
    found = organic_value(
        decisions_of(SlateBatch.of(slates)), MEASURE, np.array(start), np.array(position, np.int64)
    )
    assert found == pytest.approx(wanted, abs=1e-9)


def test_ads_displace_nothing_that_modules_had_pushed_down_already() -> None:
    """Items worth 3 each: module, item, item, item sees .8, .7 and .5; an ad at 3 leaves .8, .5 and .4."""
    hold = np.array([Hold.MODULE], np.int8)
    slate = Slate.organic(1, np.ones(3), np.zeros(3, np.int8), hold=hold)
    rows = decisions_of(SlateBatch.of([slate]))
    alone = organic_value(rows, MEASURE, np.array([0, 0]), np.zeros(0, np.int64))
    beside = organic_value(rows, MEASURE, np.array([0, 1]), np.array([3]))
    assert alone.tolist() == pytest.approx([3 * (0.8 + 0.7 + 0.5)])
    assert beside.tolist() == pytest.approx([3 * (0.8 + 0.5 + 0.4)])


def test_a_bid_for_a_goal_is_worth_its_chance_and_charged_by_the_billable_event() -> None:
    sample = sample_slates(np.random.default_rng(3), 200, (1, 8), (0, 9))
    deeper = np.where(sample.billable == Billable.CLICK, Billable.CONVERSION, sample.billable)
    # Ten times the price of a click for a conversion that one click in twenty brings.
    bids = np.where(deeper != sample.billable, 10 * sample.bid_micros, sample.bid_micros)
    slates = replace(sample, goal=deeper.astype(np.int8), bid_micros=bids)
    policy = MEASURE.model_copy(update={"exchange_rate": 12_000.0})
    outcomes = hold_auctions(slates, policy)
    found = expected(decisions_of(slates), outcomes.position, outcomes.price_micros, policy)
    value = found[:, METRICS.index("value_micros")]
    assert np.allclose(value, outcomes.value_micros, rtol=1e-4, atol=2)
    shown = outcomes.position > 0
    assert (shown & (deeper != sample.billable)).any()
    revenue = outcomes.exposure * outcomes.price_micros
    revenue *= np.choose(
        slates.billable, [np.ones(len(bids)), slates.p_click, slates.p_click_conversion, slates.p_view]
    )
    assert found[:, METRICS.index("revenue_micros")].sum() == pytest.approx(revenue[shown].sum(), rel=1e-4)
