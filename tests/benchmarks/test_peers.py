"""The peers of the benchmarks answer the same question: a solver's optimum is the auction's, to the unit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.auction import hold_auction
from auction.policy import AuctionPolicy, Exposure, FeedRules, Quality, Reserve
from benchmarks import peers
from benchmarks.auction import draw_feed
from benchmarks.layout_milp import solve_layout, total_units


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    ads=st.integers(1, 10),
    organics=st.integers(1, 10),
    first=st.integers(1, 3),
    gap=st.integers(2, 4),
    effects=st.lists(st.sampled_from([0.4, 0.7, 0.9, 1.0]), max_size=6),
    ad_last=st.booleans(),
)
def test_a_solver_finds_no_better_feed(seed, ads, organics, first, gap, effects, ad_last) -> None:
    slate = draw_feed(np.random.default_rng(seed), ads, organics, siblings_differ=True)
    policy = AuctionPolicy(
        rules=FeedRules(
            first_position=first, min_gap=gap, max_ads=3, max_share=0.4, ad_last=ad_last, relevance_floor=0.1
        ),
        exposure=Exposure(examination=[0.9**s for s in range(9)], gap_effect=effects),
        reserve=Reserve(click_micros=400_000),
        quality=Quality(save_micros=20_000.0, click_micros=5_000.0, hide_micros=50_000.0),
    )
    found = solve_layout(slate, policy)
    outcome = hold_auction(slate, policy)
    assert found.proved
    assert found.total == total_units(outcome.value_micros)
    shown = sorted((int(outcome.position[i]), int(i)) for i in np.flatnonzero(outcome.position))
    assert list(found.placed) == shown


def test_a_package_that_cannot_be_had_leaves_a_row_without_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    rows = list(peers.vcg_rows())
    assert "not to be had here" in rows[1].name
    assert math.isnan(rows[1].value)
    assert rows[0].value > 0
    assert rows[1].holds is None
