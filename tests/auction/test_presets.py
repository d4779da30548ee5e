"""Presets: rules by name, and feeds that keep them."""

import numpy as np
import pytest

from auction.auction import hold_auction, hold_auctions
from auction.billable import Grade
from auction.errors import InputError
from auction.policy import AuctionPolicy, Exposure
from auction.presets import PRESETS
from auction.simulation.sample import sample_slates
from tests.auction.golden_case import read_slate

SEEN = Exposure(examination=[0.98**s for s in range(60)], gap_effect=[0.6, 0.7, 0.8, 0.9])


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_its_rules_written_out(name: str) -> None:
    short = AuctionPolicy.model_validate({"rules": name})
    assert short.rules.model_dump() | PRESETS[name] == short.rules.model_dump()
    assert short.hash == AuctionPolicy.model_validate({"rules": PRESETS[name]}).hash


def test_what_stands_beside_a_preset_wins() -> None:
    rules = AuctionPolicy.model_validate({"rules": {"preset": "x", "max_ads": 3}}).rules
    assert (rules.max_ads, rules.min_organics, rules.wanted_gap) == (3, 5, 3)


def test_an_unknown_preset_is_refused_by_name(tmp_path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("rules: tiktok\n")
    with pytest.raises(InputError, match=r"rules.*tiktok.*pinterest, linkedin, x"):
        AuctionPolicy.load(path)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_feed_keeps_the_rules_of_its_preset(name: str) -> None:
    batch = sample_slates(np.random.default_rng(5), 60, 40, (0, 40))
    policy = AuctionPolicy.model_validate({"rules": name, "exchange_rate": 2_000.0, "exposure": SEEN})
    outcomes = hold_auctions(batch, policy)
    shown = 0
    for n, outcome in enumerate(outcomes):
        positions = np.sort(outcome.position[outcome.position > 0])
        organics = len(batch.slate(n).organic_utility)
        shown += len(positions)
        if len(positions) == 0:
            continue
        assert positions[0] >= 2
        assert positions[-1] < organics + len(positions)
        assert np.all(np.diff(positions) >= policy.rules.min_gap)
        if name == "pinterest":
            assert len(positions) <= 0.25 * (organics + len(positions))
        if name == "x":
            safe = int(np.sum(batch.slate(n).organic_grade == Grade.LOW))
            assert organics >= 5
            assert len(positions) <= safe / 2
    assert shown > 100


def page(organics: int, ads: int = 4) -> list[int]:
    slate = read_slate(
        {
            "ads": [{"ad_id": n, "bid_micros": 3_000_000} for n in range(1, ads + 1)],
            "organic": [{"utility": 1.0}] * organics,
        }
    )
    policy = AuctionPolicy.model_validate({"rules": "x", "exposure": {"examination": [1.0] * 40}})
    return sorted(int(s) for s in hold_auction(slate, policy).position if s > 0)


def test_x_shows_no_ad_among_four_organic_items_and_some_among_five() -> None:
    assert page(4) == []
    assert len(page(5)) == 2


def test_x_keeps_the_wanted_gap_only_where_it_costs_no_slot() -> None:
    """Five organic items: two ads at most, which fit three apart. Twelve: four ads, three apart. With six
    allowed on ten items (half of ten is five) five ads need gaps of two: 2, 4, 6, 8, 10."""
    assert np.diff(page(5)).min() >= 3
    assert np.diff(page(12)).min() >= 3
    assert len(page(10, ads=6)) == 5


def test_linkedin_shows_an_ad_where_money_plus_utility_beats_what_it_displaces() -> None:
    """Two positions are seen. An ad at 2 pushes out the item there: shown from .05 * bid > utility on."""
    exposure = {"examination": [1.0, 1.0]}
    policy = AuctionPolicy.model_validate({"rules": "linkedin", "exposure": exposure})
    for utility, positions in ((49_999.0, [2]), (50_001.0, [0])):
        organic = [{"utility": utility}] * 3
        slate = read_slate({"ads": [{"ad_id": 1, "bid_micros": 1_000_000}], "organic": organic})
        assert hold_auction(slate, policy).position.tolist() == positions
