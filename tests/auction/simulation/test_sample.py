"""Made-up slates: seeded, valid, and of the sizes asked for."""

import numpy as np
import pytest

from auction.auction import hold_auctions
from auction.billable import Billable
from auction.errors import InputError
from auction.policy import AuctionPolicy, Exposure
from auction.simulation.sample import sample_slates


def test_equal_seeds_give_equal_slates() -> None:
    one, two, other = (sample_slates(np.random.default_rng(seed), 30, 8, 5) for seed in (1, 1, 2))
    assert np.array_equal(one.bid_micros, two.bid_micros)
    assert np.array_equal(one.p_click, two.p_click)
    assert not np.array_equal(one.p_click, other.p_click)


def test_every_slate_is_one_the_auction_takes() -> None:
    batch = sample_slates(np.random.default_rng(0), 400, (0, 20), (0, 9))
    policy = AuctionPolicy(exposure=Exposure(examination=[0.9**s for s in range(10)]))
    outcomes = hold_auctions(batch, policy)
    assert np.count_nonzero(outcomes.position) > 100
    sizes = np.diff(batch.ad_start)
    assert (sizes.min(), sizes.max()) == (0, 20)
    for n in range(400):
        assert len(set(batch.slate(n).ad_id)) == sizes[n]


def test_bids_are_worth_the_same_whatever_is_paid_for() -> None:
    batch = sample_slates(np.random.default_rng(0), 500, 40, 0)
    chances = [np.ones(len(batch.ad_id)), batch.p_click, batch.p_click_conversion, batch.p_view]
    event = np.choose(batch.billable, chances)
    worth = batch.bid_micros * event
    means = [worth[batch.billable == one].mean() for one in Billable]
    assert max(means) < 1.2 * min(means)


def test_sizes_without_bound_are_refused() -> None:
    with pytest.raises(InputError, match="count"):
        sample_slates(np.random.default_rng(0), 2_000_000, 100, 0)
