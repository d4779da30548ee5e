"""Paid and guaranteed inventory at dual prices, against the optimum of a linear programme.

Five real publishers (Balseiro et al. 2014), their exchange's measured curve and their contracts. Impressions
are the published sample of publishers 1, 3 and 4, and drawn from the published distributions for 2 and 5.
Contracts come first: a shortfall costs what the exchange's dearest sale brings, and counts in the yield.
Per publisher: the policy's yield over the optimum that SciPy's HiGHS finds on the same impressions; the
largest share that a contract got too little or too much, beyond what its impressions allow any policy; and
prices of the first half serving the second, one impression after the other: revenue and quality, without
the cost of shortfalls, over the optimum's on the second, and the promised impressions that were served.

    adsrank bench blend
"""

import time
from pathlib import Path

import numpy as np

from adsrank.data.publishers import draw_impressions, read_publisher
from auction.blend import BidPrices, Contracts, ExchangeCurve, dual_prices
from auction.blend.optimum import optimum
from benchmarks.row import Row

FOLDER = Path(__file__).parents[1] / ".." / "shared" / "data" / "publisher_auctions"
IMPRESSIONS = {1: 10_000, 3: 10_000, 4: 10_000, 2: 2_000, 5: 2_000}
"""By publisher: the programme of the second, tightly promised, takes a minute at 5,000."""
STEP = 60.0
"""Of the prices while serving, in the publisher's money per impression."""


def impressions_of(number: int, count: int) -> tuple[ExchangeCurve, np.ndarray, np.ndarray, str]:
    """Curve, contracts' shares, quality of `count` impressions, and where these are from."""
    read = read_publisher(FOLDER, number, impressions=count)
    curve = ExchangeCurve.of_table(read.exchange)
    if read.quality is not None:
        return curve, read.share, read.quality, "sample"
    drawn = draw_impressions(read.types, len(read.share), count, np.random.default_rng(number))
    return curve, read.share, drawn, "drawn"


def missed(policy: BidPrices, quality: np.ndarray, best: np.ndarray) -> float:
    """Largest difference from the promised shares, as a share of all impressions, less the optimum's own."""
    share = policy.contracts.share
    delivered = policy.expected(quality).delivered
    # A contract that even the optimum leaves short is one of several that compete for too few impressions.
    met = best >= share - 1e-9
    return float(np.abs(delivered - share)[met].max(initial=0.0))


def rows() -> list[Row]:
    """Ratio to the optimum, delivery and seconds of each publisher."""
    if not FOLDER.is_dir():
        raise FileNotFoundError(f"{FOLDER}: put the publishers' files beside the checkout")
    found = []
    for number, count in sorted(IMPRESSIONS.items()):
        curve, share, quality, source = impressions_of(number, count)
        contracts = Contracts.in_full(share, curve)
        name = f"publisher {number} ({len(share)} contracts, {share.sum():.0%} promised, {source})"
        begin = time.perf_counter()
        policy = dual_prices(curve, contracts, quality)
        priced = time.perf_counter() - begin
        reached = policy.expected(quality)
        begin = time.perf_counter()
        best = optimum(curve, contracts, quality)
        solved = time.perf_counter() - begin
        half = len(quality) // 2
        learned, later = dual_prices(curve, contracts, quality[:half]), quality[half:]
        served = learned.serve(later, np.random.default_rng(number), STEP)
        ahead = optimum(curve, contracts, later)
        earned = served.revenue + served.quality
        short = np.maximum(share - ahead.delivered, 0.0).sum()
        most = ahead.total + contracts.shortfall_cost * float(short)
        found += [
            Row(f"{name}: yield over optimum", reached.total / best.total, "ratio", ">= 0.98"),
            Row(
                f"{name}: largest miss of a share",
                missed(policy, quality, best.delivered),
                "of impressions",
                "<= 0.002",
            ),
            Row(f"{name}: served in order, revenue and quality over optimum's", earned / most, "ratio"),
            Row(f"{name}: promised impressions served", served.delivered.sum() / share.sum(), "ratio"),
            Row(f"{name}: promised impressions in the optimum", ahead.delivered.sum() / share.sum(), "ratio"),
            Row(f"{name}: prices", priced, "s"),
            Row(f"{name}: linear programme", solved, "s"),
        ]
    return found
