"""The same market with one advertiser's bid changed."""

from auction.simulation.bids import landscape
from auction.simulation.landscape import BidRow, Interval, Landscape

__all__ = ["BidRow", "Interval", "Landscape", "landscape"]
