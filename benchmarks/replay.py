"""Replay from Parquet: reading, deciding again with prices, and comparing, in one thread.

Two logs are written to a temporary folder by the project's own writer: plain auctions (48 bidders, 3
slots, no organic items) and blended feeds (20 organic items, 30 ads, 4 slots). A rate is per
second of one core: of the process's CPU time, which a busy machine does not stretch by waiting, in the
fastest of three passes over the whole log, with the kernels compiled and the files cached before.

    adsrank bench replay
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from auction.auction import hold_auctions
from auction.batch import SlateBatch
from auction.billable import Billable
from auction.log import DecisionLog, DecisionRecord, LogWriter
from auction.policy import AuctionPolicy, Exposure, FeedRules
from auction.replay import compare, replay
from auction.simulation.sample import sample_slates
from benchmarks.row import Row

PLAIN, FEEDS = 60_000, 10_000
START = datetime(2026, 3, 1, tzinfo=UTC)

PLAIN_POLICY = AuctionPolicy(
    rules=FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True),
    exposure=Exposure(examination=[1.0, 0.6, 0.4]),
)
FEED_POLICY = AuctionPolicy(
    exchange_rate=12_000.0,
    rules=FeedRules(max_ads=4),
    exposure=Exposure(examination=[0.95**s for s in range(24)], gap_effect=[0.4, 0.6, 0.8, 0.9]),
)


def write(folder: Path, batch: SlateBatch, policy: AuctionPolicy) -> float:
    """Log the batch as decided by `policy`; returns the CPU seconds that the writer took."""
    outcomes = hold_auctions(batch, policy)
    pins = [f"pin-{n}" for n in range(64)]
    spent = 0.0
    with LogWriter(folder, "bench", flush_records=16_384, max_records=65_536) as writer:
        name = writer.keep(policy)
        for n in range(len(batch)):
            slate, outcome = batch.slate(n), outcomes[n]
            record = DecisionRecord(
                request_id=f"request-{n}",
                user_id=f"user-{n % 5_000}",
                surface="home",
                time=START,
                policy_hash=name,
                slate=slate,
                outcome=outcome,
                organic_id=pins[: len(slate.organic_utility)],
                placement_id=[f"{n}-{slot}" for slot in range(int((outcome.position > 0).sum()))],
            )
            begin = time.process_time()
            writer.append(record)
            spent += time.process_time() - begin
        begin = time.process_time()
    return spent + time.process_time() - begin


def fastest(act: Callable[[], object]) -> float:
    """CPU seconds of the fastest of three runs."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        act()
        times.append(time.process_time() - begin)
    return min(times)


def read_all(folder: Path) -> int:
    return sum(len(batch) for batch in DecisionLog(folder).decisions())


def rows() -> list[Row]:
    """Rates per second and core of plain auctions and of blended feeds."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    generator = np.random.default_rng(0)
    plain = sample_slates(generator, PLAIN, 48, 0, advertisers=2_000, billables=(Billable.CLICK,), paced=0.0)
    nothing = np.zeros(len(plain.ad_id))
    plain = replace(  # a plain auction knows bids and click probabilities alone
        plain,
        p_conversion_given_click=nothing,
        p_click_conversion=nothing,
        p_save=nothing,
        p_hide=nothing,
        relevance=nothing,
        tolerance=np.full_like(plain.tolerance, 2),
    )
    varied = sample_slates(generator, PLAIN // 2, 48, 0, advertisers=2_000)
    feeds = sample_slates(generator, FEEDS, 30, 20, advertisers=2_000)
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, batch, policy, to_reach in (
            ("plain auctions (48 bidders x 3 slots)", plain, PLAIN_POLICY, ">= 300000"),
            ("plain auctions, every column varied", varied, PLAIN_POLICY, None),
            ("blended feeds (20 organic x 30 ads x 4 slots)", feeds, FEED_POLICY, ">= 5000"),
        ):
            folder = Path(temporary) / str(len(found))
            wrote = write(folder, batch, policy)
            report = replay(folder)
            if not report.exact or report.decisions != len(batch):
                raise RuntimeError(f"{name}: the replay is not exact: {report.to_json()}")
            size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
            found += [
                Row(
                    f"{name}: replay", len(batch) / fastest(partial(replay, folder)), "decisions/s", to_reach
                ),
                Row(f"{name}: read only", len(batch) / fastest(partial(read_all, folder)), "decisions/s"),
                Row(f"{name}: write", len(batch) / wrote, "decisions/s"),
                Row(f"{name}: size", size / len(batch), "bytes/decision"),
            ]
        folder = Path(temporary) / "8"
        first = FEED_POLICY.model_copy(update={"exchange_rate": 20_000.0})
        taken = fastest(lambda: compare(folder, first))
        found.append(Row("blended feeds: compare with another policy", FEEDS / taken, "decisions/s"))
    return found
