"""The whole market at once: organic items against ads, and contracts against the exchange, at dual prices."""

from auction.blend.ad_load import AdLoad, ad_loads
from auction.blend.bound import Bound
from auction.blend.contracts import Contracts
from auction.blend.dual import Choice
from auction.blend.exchange import ExchangeCurve
from auction.blend.frontier import Frontier
from auction.blend.guaranteed import BidPrices, Yield, dual_prices
from auction.blend.point import Point
from auction.blend.tune import tune_blend

__all__ = [
    "AdLoad",
    "BidPrices",
    "Bound",
    "Choice",
    "Contracts",
    "ExchangeCurve",
    "Frontier",
    "Point",
    "Yield",
    "ad_loads",
    "dual_prices",
    "tune_blend",
]
