"""Lay the ads out among the organic items and price them: the core that replay runs as well."""

from adsrank.passage import Passage
from auction.auction import hold_auction


class Auction:
    name = "auction"

    def enabled(self, passage: Passage) -> bool:
        return True

    def run(self, passage: Passage) -> None:
        assert passage.slate is not None, "the bid stage runs first"
        passage.outcome = hold_auction(passage.slate, passage.policy)
