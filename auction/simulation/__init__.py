"""The same market with one advertiser's bid changed."""

from auction.replay.interval import Interval
from auction.simulation.bids import landscape
from auction.simulation.landscape import BidRow, Landscape

__all__ = ["BidRow", "Interval", "Landscape", "landscape"]
