"""The auction's figures: layout, prices, batches, cold start, and the regret of the second price.

Peers stand beside it in the same run (alone: ``adsrank bench peers``); ``adsrank bench growth`` shows how
times grow.

Run ``adsrank bench auction`` with one thread. Times of one auction are medians over slates of
the best of several runs, since the machine is shared; batch rates are of each call's best as well.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from auction.auction import hold_auction, hold_auctions
from auction.audit import audit
from auction.batch import SlateBatch
from auction.cores import hold_auctions_on, usable_cores
from auction.hold import Hold
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing, Quality, Reserve
from auction.slate import Slate
from benchmarks.row import Row

SEED = 7

FEED = AuctionPolicy(
    rules=FeedRules(first_position=2, min_gap=3, max_ads=8, max_share=0.25),
    exposure=Exposure(examination=[round(0.97**s, 6) for s in range(60)], gap_effect=[0.6, 0.7, 0.8, 0.9]),
    reserve=Reserve(click_micros=50_000),
    quality=Quality(save_micros=20_000.0, hide_micros=50_000.0),
)

ALL_RULES = FEED.model_copy(
    update={
        "rules": FEED.rules.model_copy(
            update={
                "one_per_category": True,
                "wanted_gap": 4,
                "min_organics": 5,
                "max_share_of_safe": 0.5,
                "relevance_floor": 0.05,
            }
        )
    }
)

PLAIN = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True, adjacency=False),
    exposure=Exposure(examination=[1.0, 0.6, 0.3]),
    reserve=Reserve(click_micros=500_000),
)


def draw_feed(rng: np.random.Generator, ads: int, organics: int, siblings_differ: bool = False) -> Slate:
    """A slate of click bids: two ads per advertiser, whose tolerance is the account's or each ad's."""
    advertiser = rng.integers(0, max(ads // 2, 1), ads)
    tolerance = rng.integers(0, 3, ads) if siblings_differ else rng.integers(0, 3, ads)[advertiser]
    click = rng.beta(2.0, 60.0, ads)
    return Slate(
        seed=int(rng.integers(0, 2**63)),
        ad_id=rng.permutation(10 * ads)[:ads].astype(np.int64),
        advertiser_id=advertiser,
        campaign_id=advertiser,
        billable=np.ones(ads, np.int8),
        bid_micros=rng.integers(200_000, 3_000_000, ads),
        multiplier=rng.uniform(0.5, 1.0, ads),
        p_click=click,
        p_conversion_given_click=np.full(ads, 0.05),
        p_click_conversion=0.05 * click,
        p_save=rng.beta(1.0, 60.0, ads),
        p_hide=rng.beta(1.0, 400.0, ads),
        tolerance=tolerance.astype(np.int8),
        relevance=rng.uniform(0.0, 1.0, ads),
        organic_utility=rng.uniform(0.0, 60_000.0, organics),
        organic_grade=rng.choice(3, organics, p=[0.8, 0.15, 0.05]).astype(np.int8),
    )


def draw_plain(rng: np.random.Generator, slates: int, ads: int) -> SlateBatch:
    """Position auctions without organic items, every ad of an advertiser of its own."""
    total = slates * ads
    ids = np.tile(np.arange(ads, dtype=np.int64), slates)
    click = rng.random(total) * 0.1 + 0.01
    return SlateBatch.filled(
        seed=rng.integers(0, 2**63, slates).astype(np.uint64),
        positions_since_ad=np.full(slates, -1, np.int64),
        ad_start=np.arange(slates + 1, dtype=np.int64) * ads,
        organic_start=np.zeros(slates + 1, np.int64),
        ad_id=ids,
        advertiser_id=ids,
        campaign_id=ids,
        billable=np.ones(total, np.int8),
        bid_micros=(rng.random(total) * 5_000_000).astype(np.int64),
        multiplier=np.ones(total),
        p_click=click,
        p_conversion_given_click=np.zeros(total),
        p_click_conversion=np.zeros(total),
        p_save=np.zeros(total),
        p_hide=np.zeros(total),
        tolerance=np.full(total, 2, np.int8),
        relevance=np.ones(total),
        organic_utility=np.zeros(0),
        organic_grade=np.zeros(0, np.int8),
    )


def median_ms(slates: list[Slate], policy: AuctionPolicy, repeats: int = 7) -> float:
    """Median over slates of the fastest of `repeats` whole calls, in milliseconds."""
    best = np.full(len(slates), np.inf)
    for _ in range(repeats):
        for n, slate in enumerate(slates):
            start = time.perf_counter()
            hold_auction(slate, policy)
            best[n] = min(best[n], time.perf_counter() - start)
    return float(np.median(best)) * 1e3


def passes(batches: list[SlateBatch], hold: Callable[[SlateBatch], object], repeats: int = 15) -> float:
    """Auctions per second, each batch's call at its fastest of `repeats`: other work takes the core too."""
    best = np.full(len(batches), np.inf)
    for _ in range(repeats):
        for n, batch in enumerate(batches):
            start = time.perf_counter()
            hold(batch)
            best[n] = min(best[n], time.perf_counter() - start)
    return sum(len(batch) for batch in batches) / float(best.sum())


def rate(batches: list[SlateBatch], policy: AuctionPolicy) -> float:
    """Auctions per second, kernels compiled before."""
    hold_auctions(batches[0], policy)
    return passes(batches, lambda batch: hold_auctions(batch, policy))


def numpy_prices(batch: SlateBatch, ads: int, slots: int, reserve: int) -> np.ndarray:
    """The same auctions as plain numpy: top of the scores, next price, reserve; no checks, no reasons."""
    bids, click = batch.bid_micros.reshape(-1, ads), batch.p_click.reshape(-1, ads)
    score = np.where(bids >= reserve, bids * click, 0.0)
    top = np.argpartition(-score, slots, axis=1)[:, : slots + 1]
    leading = np.take_along_axis(score, top, 1)
    order = np.argsort(-leading, axis=1, kind="stable")
    top, leading = np.take_along_axis(top, order, 1), np.take_along_axis(leading, order, 1)
    chance = np.take_along_axis(click, top[:, :slots], 1)
    return np.where(leading[:, :slots] > 0, np.maximum(leading[:, 1:] / chance, reserve), 0.0)


def cold_start_s() -> float:
    """First auction of a new process, imports included, kernels from the disk cache."""
    program = (
        "import time; t = time.perf_counter()\n"
        "from benchmarks.auction import FEED, draw_feed, hold_auction\n"
        "import numpy as np\n"
        "s = draw_feed(np.random.default_rng(1), 20, 10)\n"
        "hold_auction(s, FEED); print(time.perf_counter() - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)]
    runs += [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)]
    return min(float(run.stdout) for run in runs)


def with_all_rules(rng: np.random.Generator, slate: Slate, crossing: bool = False) -> Slate:
    """Twenty categories, and held positions of every kind.

    Args:
        crossing: categories of each ad, not of its advertiser, so that they cross advertisers.
    """
    owner = slate.ad_id if crossing else slate.advertiser_id
    hold = np.zeros(20, np.int8)
    hold[rng.choice(20, 3, replace=False)] = (Hold.NO_AD, Hold.FOR_AD, Hold.MODULE)
    return replace(slate, category_id=1 + owner % 20, hold=hold)


def rows() -> Iterator[Row]:
    """Every figure, in the order of the design's table."""
    rng = np.random.default_rng(SEED)
    base = [draw_feed(rng, 200, 50) for _ in range(60)]
    large = [with_all_rules(rng, slate) for slate in base]
    mixed = [draw_feed(rng, 200, 50, siblings_differ=True) for _ in range(60)]
    crossed = [with_all_rules(rng, slate, crossing=True) for slate in mixed]
    first, second, vcg = (
        ALL_RULES.model_copy(update={"pricing": p})
        for p in (Pricing.FIRST_PRICE, Pricing.SECOND_PRICE, Pricing.VCG)
    )
    hold_auction(large[0], first)
    size = "50 organic x 200 ads x 8 slots"
    yield Row(f"layout, {size}, all rules, p50", median_ms(large, first), "ms", "<= 0.5")
    yield Row("layout + second prices, all rules, p50", median_ms(large, second), "ms", "<= 1.5")
    yield Row("layout + VCG prices, all rules, p50", median_ms(large, vcg), "ms", "<= 4")
    yield Row("layout + second prices, no categories or held positions, p50", median_ms(base, FEED), "ms")
    name = "layout + second prices, categories and tolerances cross advertisers, p50"
    yield Row(name, median_ms(crossed, second), "ms")
    plain = [draw_plain(rng, 2_000, 48) for _ in range(25)]
    name = "48 bidders x 3 slots, 2,000 a call"
    ours = rate(plain, PLAIN)
    theirs = passes(plain, lambda batch: numpy_prices(batch, 48, 3, 500_000))
    yield Row(name, ours, "auctions/s", ">= 1000000")
    yield Row(f"{name}, plain numpy", theirs, "auctions/s")
    yield Row(f"{name}, ours over plain numpy", ours / theirs, "x")
    rules = ALL_RULES.rules.model_copy(update={"max_ads": 4})
    feeds = SlateBatch.of([with_all_rules(rng, draw_feed(rng, 30, 20)) for _ in range(1_000)])
    policy = ALL_RULES.model_copy(update={"rules": rules})
    yield Row(
        "20 organic x 30 ads x 4 slots, all rules, second prices", rate([feeds], policy), "feeds/s", ">= 5000"
    )
    for cores in sorted({1, usable_cores()}):
        held = passes([feeds], partial(hold_auctions_on, policy=policy, cores=cores), repeats=5)
        yield Row(f"the same on {cores} cores", held, "feeds/s")
    yield Row("first auction of a process, cached kernels", cold_start_s(), "s", "<= 1")
    report = audit(SlateBatch.of([draw_feed(rng, 12, 30) for _ in range(40)]), FEED, slots=(1, 2, 4, 8))
    for found in report.regret:
        name = f"{found.pricing.value}, at most {found.slots} ads"
        bound = "<= 0" if found.pricing is Pricing.VCG else None
        yield Row(f"{name}: shown ads that could gain", 100 * found.ads_gaining, "%", bound)
        if found.pricing is Pricing.SECOND_PRICE:
            gain = 100 * (found.gain_of_utility or 0.0)
            yield Row(f"{name}: gain over utility", gain, "%")
    from benchmarks import peers  # which builds on this file

    yield from peers.rows()
