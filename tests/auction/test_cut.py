"""A market built so that the search meets its limit of work: feasible, fairly priced, and said to be so."""

import numpy as np
import pytest
from pydantic import ValidationError

from auction.auction import hold_auction
from auction.audit import broken_rules
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing
from auction.slate import Slate

RULES = FeedRules(first_position=2, min_gap=3, max_ads=8, max_share=0.25)
SEEN = Exposure(examination=[round(0.97**s, 6) for s in range(60)], gap_effect=[0.6, 0.7, 0.8, 0.9])


def tiers(advertisers: int) -> Slate:
    """Each advertiser has three ads: the less of its neighbours an ad bears, the more it is worth."""
    rng = np.random.default_rng(advertisers)
    n = 3 * advertisers
    base = rng.uniform(1.0, 1.1, advertisers)
    return Slate(
        seed=1,
        ad_id=np.arange(n) + 1,
        advertiser_id=np.tile(np.arange(advertisers), 3),
        campaign_id=np.arange(n),
        billable=np.ones(n, np.int8),
        bid_micros=(np.concatenate([base * 1.04, base * 1.02, base]) * 1e6).astype(np.int64),
        multiplier=np.ones(n),
        p_click=np.full(n, 0.05),
        p_conversion_given_click=np.zeros(n),
        p_click_conversion=np.zeros(n),
        p_save=np.zeros(n),
        p_hide=np.zeros(n),
        tolerance=np.repeat([0, 1, 2], advertisers).astype(np.int8),
        relevance=np.ones(n),
        organic_utility=rng.uniform(0, 20_000, 50),
        organic_grade=rng.choice(3, 50, p=[0.4, 0.3, 0.3]).astype(np.int8),
    )


@pytest.mark.parametrize("pricing", list(Pricing))
@pytest.mark.parametrize("advertisers", [6, 24])
def test_the_feed_is_feasible_and_prices_lie_between_reserve_and_bid(
    pricing: Pricing, advertisers: int
) -> None:
    slate, policy = tiers(advertisers), AuctionPolicy(rules=RULES, exposure=SEEN, pricing=pricing)
    outcome = hold_auction(slate, policy)
    shown = outcome.position > 0
    assert broken_rules(slate, policy, outcome) == []
    assert np.all(outcome.price_micros[shown] <= slate.bid_micros[shown])
    assert len(set(slate.advertiser_id[shown])) == shown.sum() == min(advertisers, 8)
    assert outcome.exact or advertisers == 24


def test_what_is_cut_short_is_said_and_no_ad_is_given_away() -> None:
    slate, policy = tiers(24), AuctionPolicy(rules=RULES, exposure=SEEN, pricing=Pricing.VCG)
    outcome = hold_auction(slate, policy)
    assert not outcome.exact
    # Sixteen advertisers wait with bids above 1.00, and VCG asks less than the bid of one of them.
    assert np.all(outcome.price_micros[outcome.position > 0] > 500_000)


@pytest.mark.parametrize("name", ["first_position", "min_gap", "wanted_gap", "min_organics"])
def test_numbers_beyond_any_page_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        FeedRules.model_validate({"min_gap": 1, name: 2**63 - 1})
