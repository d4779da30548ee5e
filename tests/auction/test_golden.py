"""Golden auctions: anyone can read one, check it by hand, and add another."""

import json
from pathlib import Path

import pytest

from auction.auction import hold_auction
from auction.policy import AuctionPolicy
from tests.auction.golden_case import read_slate, write_outcome
from tests.auction.oracle import Oracle
from tests.auction.test_oracle import assert_layout_is_best

CASES = sorted((Path(__file__).parent / "golden").glob("*.json"))


def test_there_are_golden_cases() -> None:
    assert len(CASES) >= 12


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_auction_decides_as_the_golden_case_says(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    slate, policy = read_slate(case["slate"]), AuctionPolicy.model_validate(case["policy"])
    outcome = hold_auction(slate, policy)
    assert write_outcome(slate, outcome) == case["expect"]
    assert_layout_is_best(slate, Oracle(slate, policy), outcome)
