"""Retrieval: recall and speed of the approximate index under targeting filters, beside exact search in
numpy in the same run; and a whole retrieval of a request.

The vectors are a seeded mixture of clusters with as much noise as structure. Speeds are of one query
at a time on one thread.
"""

import argparse
import os
from collections.abc import Callable
from time import perf_counter

import numpy as np

from adsrank.catalog.campaigns import Campaigns
from adsrank.catalog.columns import Lists
from adsrank.catalog.snapshot import DIMENSIONS, Snapshot
from adsrank.request import AdRequest
from adsrank.retrieval.ann import AnnIndex
from adsrank.retrieval.bitmap import pack
from adsrank.retrieval.exact import ExactIndex
from adsrank.retrieval.index import AdIndex
from adsrank.retrieval.retriever import Retriever
from benchmarks.row import Row

K = 500
SELECTIVITIES = (0.5, 0.05, 0.005)
QUERIES = 64
CLUSTERS = 1000
INTERESTS = 64
COUNTRIES = ("US", "DE", "FR", "JP")


def mixture(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors, float32 [n, d]: a random centre plus noise of the centre's own length."""
    centres = rng.standard_normal((CLUSTERS, d), dtype=np.float32)
    vectors = centres[rng.integers(CLUSTERS, size=n)]
    for start in range(0, n, 100_000):
        part = vectors[start : start + 100_000]
        part += rng.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def numpy_search(embedding: np.ndarray, query: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What one writes without an index: the better of gathering first and masking after."""
    if mask.mean() < 0.25:
        rows = np.flatnonzero(mask)
        scores = embedding[rows] @ query
        return rows[np.argpartition(scores, -min(K, len(rows)))[-K:]]
    scores = embedding @ query
    scores[~mask] = -2.0
    return np.argpartition(scores, -K)[-K:]


def rate(work: Callable[[int], object], times: int) -> float:
    """Median calls a second."""
    work(0)
    taken = []
    for i in range(times):
        start = perf_counter()
        work(i)
        taken.append(perf_counter() - start)
    return 1 / float(np.median(taken))


def index_search(index: AdIndex, queries: np.ndarray, bits: np.ndarray) -> Callable[[int], object]:
    """The verb that searches for the i-th query, alone."""
    return lambda i: index.search(queries[i : i + 1], K, bits)


def plain_search(embedding: np.ndarray, queries: np.ndarray, mask: np.ndarray) -> Callable[[int], object]:
    """The same without an index."""
    return lambda i: numpy_search(embedding, queries[i], mask)


def index_rows(n: int, d: int, to_reach: bool = False) -> list[Row]:
    """Recall, speed and speed-up at each selectivity."""
    rng = np.random.default_rng(7)
    embedding = mixture(n, d, rng)
    start = perf_counter()
    index = AnnIndex.build(embedding, "bench")
    name = f"{n:,} x {d}"
    rows = [Row(f"{name}: build", perf_counter() - start, "s")]
    exact = ExactIndex(embedding, "bench")
    noise = rng.standard_normal((QUERIES, d), dtype=np.float32) * np.float32(0.5 / np.sqrt(d))
    queries = embedding[rng.integers(n, size=QUERIES)] + noise
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    everything = np.ones(n, np.bool_)
    whole = rate(plain_search(embedding, queries, everything), 20)
    rows.append(Row(f"{name}, all allowed: numpy exact", whole, "queries/s"))
    for selectivity in SELECTIVITIES:
        mask = rng.random(n) < selectivity
        bits = pack(mask)
        truth = [numpy_search(embedding, query, mask) for query in queries]
        found = index.search(queries, K, bits)[0]
        recall = float(np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)]))
        at = f"{name}, {selectivity:.1%} allowed"
        ann = rate(index_search(index, queries, bits), QUERIES)
        scan = rate(index_search(exact, queries, bits), QUERIES)
        plain = rate(plain_search(embedding, queries, mask), min(QUERIES, 20))
        rows += [
            Row(f"{at}: recall@{K}", recall, "", ">= 0.98"),
            Row(f"{at}: index", ann, "queries/s"),
            Row(f"{at}: exact scan", scan, "queries/s"),
            Row(f"{at}: numpy exact", plain, "queries/s"),
            Row(f"{at}: index over numpy exact", ann / plain, "x"),
            Row(f"{at}: index over numpy exact of all", ann / whole, "x", ">= 10" if to_reach else None),
        ]
    return rows


def snapshot_of(embedding: np.ndarray, rng: np.random.Generator) -> Snapshot:
    """Ads of 2,000 ad groups; a third of these target countries, a fifth interests."""
    n, groups, campaigns = len(embedding), 2000, 500
    group = rng.integers(groups, size=n).astype(np.int32)
    interest = rng.integers(INTERESTS, size=n).astype(np.int32)
    campaign = (group % campaigns).astype(np.int32)
    named = {
        "country": [
            rng.choice(COUNTRIES, 2, replace=False) if rng.random() < 1 / 3 else () for _ in range(groups)
        ],
        "interest": [rng.integers(INTERESTS, size=5) if rng.random() < 0.2 else () for _ in range(groups)],
    }
    nothing: list[tuple[()]] = [()] * groups
    ids, no_text = np.arange(campaigns, dtype=np.int64), np.full(campaigns, "UTC", object)
    zeros = np.zeros(campaigns, np.int64)
    return Snapshot(
        sequence=1,
        embedding_space="bench",
        currency="USD",
        ad_id=np.arange(1, n + 1),
        ad_group_id=group.astype(np.int64),
        campaign_id=campaign.astype(np.int64),
        advertiser_id=campaign.astype(np.int64) // 2 + 1,
        billable=np.ones(n, np.int8),
        goal=np.ones(n, np.int8),
        bid_micros=np.full(n, 500_000),
        interest=interest,
        interests=Lists(np.arange(n + 1), interest.copy()),
        format=np.full(n, "image"),
        objective=np.full(n, "CONVERSION"),
        tolerance=np.ones(n, np.int8),
        created_at=np.zeros(n, np.int64),
        status_active=rng.random(n) < 0.9,
        policy_clear=rng.random(n) < 0.98,
        starts_at=np.zeros(n, np.int64),
        ends_at=np.full(n, 2**62),
        title=np.full(n, "", object),
        destination_url=np.full(n, "https://shop.example/", object),
        embedding=embedding,
        embedded=np.ones(n, np.bool_),
        group_row=group,
        campaign_row=campaign,
        targeting={
            name: Lists.of(
                [list(values) for values in named.get(name, nothing)],
                np.int32 if name == "interest" else "U2",
            )
            for name in DIMENSIONS
        },
        campaigns=Campaigns(
            campaign_id=ids,
            advertiser_id=ids // 2 + 1,
            name=no_text.copy(),
            active=np.ones(campaigns, np.bool_),
            daily_limit_micros=zeros + 1_000_000,
            lifetime_limit_micros=zeros.copy(),
            time_zone=no_text,
            accelerated=np.zeros(campaigns, np.bool_),
            starts_at=zeros.copy(),
            ends_at=zeros + 2**62,
            cap_event=np.full(campaigns, -1, np.int8),
            cap_interval_days=np.zeros(campaigns, np.int16),
            cap_max=np.zeros(campaigns, np.int32),
        ),
    )


def request_rows(n: int = 100_000, d: int = 32, requests: int = 400) -> list[Row]:
    """Whole retrievals: filters, four intents, interests, merge, match columns; 1,000 candidates."""
    rng = np.random.default_rng(11)
    snapshot = snapshot_of(mixture(n, d, rng), rng)
    retriever = Retriever.of(snapshot)
    asked = []
    for i in range(requests):
        near = snapshot.embedding[rng.integers(n, size=4)]
        asked.append(
            AdRequest(
                request_id=f"r{i}",
                user_id=f"u{i}",
                country=COUNTRIES[i % len(COUNTRIES)],
                intents=[{"embedding": v.tolist(), "weight": float(rng.uniform(0.3, 1))} for v in near],
                user_interests=rng.integers(INTERESTS, size=6).tolist(),
                recent_interests=rng.integers(INTERESTS, size=10).tolist(),
            )
        )
    taken, sizes = [], []
    for request in [*asked[:20], *asked]:
        start = perf_counter()
        candidates = retriever.retrieve(request, snapshot, 1.8e9)
        taken.append(perf_counter() - start)
        sizes.append(len(candidates))
    name = f"retrieve, {n:,} x {d}, 4 intents"
    return [
        Row(f"{name}: candidates", float(np.mean(sizes)), "ads"),
        Row(f"{name}: p50", float(np.percentile(taken[20:], 50)) * 1e3, "ms", "<= 2"),
        Row(f"{name}: p99", float(np.percentile(taken[20:], 99)) * 1e3, "ms"),
    ]


def rows(ads: int = 100_000) -> list[Row]:
    """Figures at `ads` ads of 32 and 128 numbers; with a million, of 128 only, held to the plan's bounds."""
    if ads >= 1_000_000:
        return index_rows(ads, 128, to_reach=True)
    return index_rows(ads, 32) + index_rows(ads, 128) + request_rows(ads)


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ads", type=int, default=100_000)
    for row in rows(parser.parse_args().ads):
        holds = "" if row.holds is None else f"   {row.to_reach}: {'yes' if row.holds else 'NO'}"
        print(f"{row.name:60} {row.value:12,.3f} {row.unit}{holds}")
