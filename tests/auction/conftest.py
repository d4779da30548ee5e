"""A made-up log: seeded slates, decided by the auction, as records."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from auction.auction import hold_auctions
from auction.log import DecisionRecord, Departure, LogWriter, StageCount
from auction.policy import AuctionPolicy, Exposure, FeedRules, Quality, Reserve
from auction.reason import Reason
from auction.simulation.sample import sample_slates

START = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
CONTEXT = [
    pa.field("request_id", pa.string()),
    pa.field("country", pa.string()),
    pa.field("user_interests", pa.list_(pa.int32())),
]
FEATURES = [
    pa.field("ad_id", pa.int64()),
    pa.field("format", pa.string()),
    pa.field("similarity", pa.float32()),
]

Make = Callable[..., list[DecisionRecord]]


@pytest.fixture
def policy() -> AuctionPolicy:
    return AuctionPolicy(
        exchange_rate=12_000.0,
        rules=FeedRules(relevance_floor=0.05),
        exposure=Exposure(examination=[0.93**s for s in range(20)], gap_effect=[0.4, 0.6, 0.8, 0.9]),
        reserve=Reserve(impression_micros=9_000, click_micros=150_000, conversion_micros=3_000_000),
        quality=Quality(save_micros=40_000.0, hide_micros=200_000.0),
    )


@pytest.fixture
def make_records(policy: AuctionPolicy) -> Make:
    def make(count: int, seed: int = 0) -> list[DecisionRecord]:
        generator = np.random.default_rng(seed)
        batch = sample_slates(generator, count, ads=(0, 12), organics=(0, 14))
        outcomes = hold_auctions(batch, policy)
        records = []
        for n in range(count):
            slate, outcome = batch.slate(n), outcomes[n]
            shown = int(np.count_nonzero(outcome.position))
            records.append(
                DecisionRecord(
                    request_id=f"request-{seed}-{n}",
                    user_id=None if n % 11 == 0 else f"user-{n % 97}",
                    surface=("home", "related", "search")[n % 3],
                    time=START + timedelta(seconds=7 * n),
                    policy_hash=policy.hash,
                    bundle_id="bundle-1",
                    snapshot_id=str(n // 50),
                    slate=slate,
                    outcome=outcome,
                    organic_id=[f"pin-{generator.integers(10**6)}" for _ in slate.organic_utility],
                    placement_id=[f"placement-{n}-{slot}" for slot in range(shown)],
                    raw={
                        "click": generator.random(len(slate.ad_id)),
                        "save": generator.random(len(slate.ad_id)),
                    },
                    context={"surface": "home", "country": "NL", "user_interests": [n % 5, 7]},
                    features={
                        "ad_id": [0] * shown,
                        "format": ["image"] * shown,
                        "similarity": [0.25 * s for s in range(shown)],
                    },
                    departures=[Departure("filter", Reason.BUDGET, np.array([5, n]))] if n % 2 else [],
                    stages=[StageCount("retrieve", 1000, 200, 0.75), StageCount("rank", 200, 12, 1.5)],
                    degraded="deadline" if n % 13 == 0 else None,
                )
            )
        return records

    return make


@pytest.fixture
def write_log(policy: AuctionPolicy, tmp_path: object) -> Callable[..., str]:
    def write(records: list[DecisionRecord], name: str = "log", **settings: int) -> str:
        folder = f"{tmp_path}/{name}"
        with LogWriter(folder, "test-0", context=CONTEXT, features=FEATURES, **settings) as writer:
            writer.keep(policy)
            for record in records:
                writer.append(record)
        return folder

    return write
