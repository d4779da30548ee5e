"""Reserves: from a law of values, per segment with shrinkage, and by holding logged auctions again."""

from auction.reserve.bids import LoggedBids, logged_bids
from auction.reserve.by_replay import search_reserve, with_reserve
from auction.reserve.curve import RevenueCurve
from auction.reserve.empirical import EmpiricalLaw
from auction.reserve.estimate import ReserveEstimate, estimate_reserve
from auction.reserve.exchange import ExchangeTable
from auction.reserve.law import ValueLaw
from auction.reserve.log_normal import LogNormalLaw
from auction.reserve.report import Change, ReserveRow, ReserveSearch
from auction.reserve.sample import AuctionSample
from auction.reserve.segments import SegmentReserve, SegmentReserves, estimate_segment_reserves

__all__ = [
    "AuctionSample",
    "Change",
    "EmpiricalLaw",
    "ExchangeTable",
    "LogNormalLaw",
    "LoggedBids",
    "ReserveEstimate",
    "ReserveRow",
    "ReserveSearch",
    "RevenueCurve",
    "SegmentReserve",
    "SegmentReserves",
    "ValueLaw",
    "estimate_reserve",
    "estimate_segment_reserves",
    "logged_bids",
    "search_reserve",
    "with_reserve",
]
