"""The auction beside what can be had elsewhere: exact solvers, and the auctions of published packages.

No package is known to lay out and price a blended feed. What stands beside it: HiGHS (in scipy), on the same
layout as a mixed-integer program, with the same optimum to the unit; a market-design package whose VCG
payments come from such programs; and an auto-bidding package with a vectorized next-price auction. Packages
are installed into a temporary folder for the run; where that fails, their rows say so and have no value.

    adsrank bench peers
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy

from auction.auction import hold_auction, hold_auctions
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing
from benchmarks.auction import FEED, PLAIN, SEED, draw_feed, draw_plain, median_ms, rate
from benchmarks.layout_milp import solve_layout, total_units
from benchmarks.row import Row

LOOKS = [1.0, 0.6, 0.3]
BIDDERS, SLATES, CALLS, VCG_SLATES = 48, 2_000, 5, 20

# The package's own pin of its solver, mip 1.14, crashes on Python 3.11; 2.0 runs.
MARKET = ["marketdesign==0.0.1a1", "mip==2.0.0", "cbcbox==2.935", "cffi", "pycparser"]
BIDDER = ["rlbidder==0.1.0"]

MARKET_PROGRAM = """
import json, sys, time
import numpy as np
from md.auction import VCG, Auction, Bidder, Problem
looks, bids = json.loads(sys.argv[1]), np.load(sys.argv[2])
payments, times = [], []
for row in bids.tolist():
    problem = Problem()
    for n, bid in enumerate(row):
        bidder = Bidder(n)
        for slot, look in enumerate(looks):
            bidder.add_bid(look * bid, {slot: -1}, xor_group="one")
        problem.add_bidder(bidder)
    seller = Bidder("seller")
    seller.add_bid(0, {slot: 1 for slot in range(len(looks))})
    problem.add_bidder(seller)
    start = time.perf_counter()
    solution = Auction().winner_determination(problem)
    VCG().calc_surplus_shares(solution)
    times.append(time.perf_counter() - start)
    payments.append([solution.payments.get(n) or 0.0 for n in range(len(row))])
np.save(sys.argv[3], payments)
print(json.dumps(1e3 * float(np.median(times))))
"""

# Only the auction's modules are loaded: the package's own __init__ wants its training stack.
BIDDER_PROGRAM = """
import json, sys, time, types
import numpy as np
for name in ("rlbidder", "rlbidder.envs"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + "/" + name.replace(".", "/")]
from rlbidder.envs.simulator import AuctionSimulator
scores = np.load(sys.argv[2])
auctions = AuctionSimulator(scores.shape[2], num_slots=3, slot_exposure_coefficients=np.ones(3))
budget, none = np.full(scores.shape[2], np.inf), np.zeros(scores.shape[1:])
seen = np.ones((scores.shape[1], 3))
best = np.inf
for _ in range(7):
    start = time.perf_counter()
    for score in scores:
        won = auctions.simulate_ad_bidding_multi_slots(none, none, score, budget, none, seen)[0]
    best = min(best, time.perf_counter() - start)
np.save(sys.argv[3], won)
print(json.dumps(scores.shape[0] * scores.shape[1] / best))
"""


def install(packages: list[str], folder: Path) -> bool:
    """Whether the packages, and nothing they ask for, could be had."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *packages]
    try:
        return subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run_peer(packages: list[str], program: str, first: str, given: np.ndarray) -> tuple[float, np.ndarray]:
    """A peer's figure and the array it saved; NaN and an empty array where it cannot run here.

    Args:
        first: the program's first argument; the folder of the packages where empty.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, sent, made = Path(temporary) / "lib", Path(temporary) / "in.npy", Path(temporary) / "out.npy"
        if not install(packages, folder):
            return math.nan, np.zeros(0)
        np.save(sent, given)
        done = subprocess.run(
            [sys.executable, "-c", program, first or str(folder), str(sent), str(made)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        )
        if done.returncode != 0:
            return math.nan, np.zeros(0)
        return float(json.loads(done.stdout.splitlines()[-1])), np.load(made, allow_pickle=False)


def named(name: str, value: float) -> str:
    """The row's name, which says why there is no value."""
    return f"{name}: not to be had here" if math.isnan(value) else name


def layout_rows(ads: int, organics: int, slots: int, slates: int) -> Iterator[Row]:
    """Our layout and the solver's on the same slates."""
    rng = np.random.default_rng(SEED)
    rules = FEED.rules.model_copy(update={"max_ads": slots})
    policy = FEED.model_copy(update={"pricing": Pricing.FIRST_PRICE, "rules": rules})
    drawn = [draw_feed(rng, ads, organics, siblings_differ=True) for _ in range(slates)]
    solved = [solve_layout(slate, policy, seconds=120.0) for slate in drawn]
    ours = median_ms(drawn, policy)
    theirs = 1e3 * float(np.median([layout.seconds for layout in solved]))
    apart = [
        abs(total_units(hold_auction(slate, policy).value_micros) - layout.total)
        for slate, layout in zip(drawn, solved, strict=True)
        if layout.proved
    ]
    size = f"layout, {organics} organic x {ads} ads x {slots} slots"
    solver = f"HiGHS MILP (scipy {scipy.__version__})"
    yield Row(f"{size}: ours, p50 of {slates} slates", ours, "ms")
    yield Row(f"{size}: {solver}, the same slates", theirs, "ms")
    yield Row(f"{size}: {solver} over ours", theirs / ours, "x")
    yield Row(f"{size}: solved to proof by {solver}", len(apart), f"of {slates} slates")
    name = f"{size}: furthest of our totals from {solver}"
    yield Row(name, max(apart) if apart else math.nan, "units", "== 0")


def vcg_rows() -> Iterator[Row]:
    """VCG payments of position auctions, bid per impression, beside those of the market-design package."""
    rng = np.random.default_rng(SEED)
    bids = np.stack([rng.permutation(400_000)[:BIDDERS] + 1 for _ in range(VCG_SLATES)])
    rules = FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True)
    policy = AuctionPolicy(pricing=Pricing.VCG, rules=rules, exposure=Exposure(examination=LOOKS))
    impressions = np.zeros(bids.size, np.int8)
    batch = replace(
        draw_plain(rng, VCG_SLATES, BIDDERS),
        bid_micros=bids.ravel(),
        billable=impressions,
        goal=impressions,
    )
    slates = [batch.slate(n) for n in range(VCG_SLATES)]
    outcomes = hold_auctions(batch, policy)
    peer = "marketdesign 0.0.1a1 (mip 2.0.0, CBC)"
    theirs, payments = run_peer(MARKET, MARKET_PROGRAM, json.dumps(LOOKS), bids)
    ours = median_ms(slates, policy)
    name = "VCG, 48 bidders x 3 slots, one call"
    yield Row(f"{name}: ours, p50", ours, "ms")
    yield Row(named(f"{name}: {peer}", theirs), theirs, "ms")
    apart = math.nan
    if payments.size:
        shown = outcomes.position > 0
        per_look = payments.ravel()[shown] / outcomes.exposure[shown]
        apart = float(np.abs(outcomes.price_micros[shown] - per_look).max())
    # Ours are the smallest whole micros that keep the slot, so up to one above the real number.
    yield Row(f"{name}: furthest of our prices from {peer}", apart, "micros", "<= 1")


def batch_rows() -> Iterator[Row]:
    """Batches of next-price auctions beside the auto-bidding package."""
    rng = np.random.default_rng(SEED)
    batches = [draw_plain(rng, SLATES, BIDDERS) for _ in range(CALLS)]
    # A score per thousand looks: its reserve of .01 is then below every score that counts.
    scores = np.stack([(b.bid_micros * b.p_click / 1e3).reshape(SLATES, BIDDERS) for b in batches])
    peer = "rlbidder 0.1.0 (numpy)"
    theirs, won = run_peer(BIDDER, BIDDER_PROGRAM, "", scores)
    ours = rate(batches, PLAIN)
    name = "48 bidders x 3 slots, 2,000 a call"
    yield Row(f"{name}: ours", ours, "auctions/s")
    yield Row(named(f"{name}: {peer}", theirs), theirs, "auctions/s")
    yield Row(f"{name}: ours over {peer}", ours / theirs, "x")
    same = math.nan
    if won.size:
        open_to_all = PLAIN.model_copy(
            update={"reserve": PLAIN.reserve.model_copy(update={"click_micros": 0})}
        )
        shown = hold_auctions(batches[-1], open_to_all).position.reshape(SLATES, BIDDERS) > 0
        same = 100.0 * float((shown == won).all(axis=1).mean())
    yield Row(f"{name}: auctions with the winners of {peer}", same, "%", ">= 99.9")


def rows() -> Iterator[Row]:
    """The batch, VCG, and layouts small and large; some two minutes, nearly all of it the solver's."""
    yield from batch_rows()
    yield from vcg_rows()
    yield from layout_rows(30, 20, 4, slates=7)
    yield from layout_rows(200, 50, 8, slates=3)
