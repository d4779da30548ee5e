"""Scoring speed of a bundle: one request's candidates, one thread, from columns to probabilities."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsrank.features.columns import ad_columns, match_columns, request_columns
from adsrank.features.examples import SCHEMA
from adsrank.models.bundle import Bundle
from adsrank.models.config import ModelConfig
from adsrank.request import AdRequest
from adsrank.training import TrainConfig, train
from benchmarks.row import Row

ADS = 20_000
NOW = datetime(2026, 3, 16, tzinfo=UTC)


def rows() -> Iterator[Row]:
    """Figures of the shipped model size, and of four experts of 256-128."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _rows("shipped size", ModelConfig(), "<= 3")
        yield from _rows(
            "4 experts of 256-128", ModelConfig(embedding=16, hidden=256, output=128, tower=64), None
        )
    finally:
        torch.set_num_threads(threads)


def _rows(label: str, size: ModelConfig, to_reach: str | None) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    snapshot = _snapshot(rng)
    bundle = train(_table(rng, snapshot), config=TrainConfig(epochs=1, model=size)).bundle
    request = AdRequest(
        request_id="r", user_id="u", time=NOW, user_interests=[10, 12, 31], recent_interests=[10] * 12
    )
    for n in (200, 500, 1000):
        ads = rng.choice(ADS, n, replace=False)
        match = {
            name: rng.random(n, np.float32) for name in ("similarity", "similarity_mean", "interest_match")
        }

        def columns(ads: Any = ads, match: Any = match) -> dict[str, Any]:
            return request_columns(request) | ad_columns(snapshot, ads, NOW) | match_columns(request, match)

        ready = columns()
        batch = bundle.prepare(ready)
        if n == 1000:
            p50, _ = _timed(partial(bundle.prerank, batch))
            yield Row(f"first stage, {n} candidates, p50 ({label})", p50, "ms", "<= 1" if to_reach else None)
            p50, _ = _timed(partial(bundle.prepare, ready))
            yield Row(f"features, {n} candidates, p50 ({label})", p50, "ms", None)
            continue
        p50, p99 = _timed(partial(_whole, bundle, columns))
        yield Row(
            f"score, {n} candidates, columns to calibrated, p50 ({label})",
            p50,
            "ms",
            to_reach if n == 200 else None,
        )
        yield Row(f"score, {n} candidates, columns to calibrated, p99 ({label})", p99, "ms", None)
        p50, _ = _timed(partial(bundle.score, batch))
        yield Row(f"score, {n} candidates, network alone, p50 ({label})", p50, "ms", None)


def _whole(bundle: Bundle, columns: Callable[[], dict[str, Any]]) -> dict[str, np.ndarray]:
    return bundle.calibrate(bundle.score(columns()))


def _timed(verb: Callable[[], Any], repeat: int = 300) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    for _ in range(20):
        verb()
    taken = []
    for _ in range(repeat):
        started = perf_counter()
        verb()
        taken.append(1e3 * (perf_counter() - started))
    return float(np.quantile(taken, 0.5)), float(np.quantile(taken, 0.99))


def _snapshot(rng: np.random.Generator) -> SimpleNamespace:
    """Columns of a catalog snapshot."""
    numbers = np.arange(ADS)
    return SimpleNamespace(
        ad_id=numbers + 1_000_000,
        campaign_id=numbers // 5 + 10_000,
        advertiser_id=numbers // 50 + 100,
        interest=rng.integers(10, 74, ADS).astype(np.int32),
        format=rng.choice(["image", "video", "carousel", "collection"], ADS).astype(object),
        objective=rng.choice(["AWARENESS", "CONSIDERATION", "CONVERSION"], ADS).astype(object),
        created_at=(NOW.timestamp() - rng.uniform(0, 90 * 86_400, ADS)).astype(np.int64),
    )


def _table(rng: np.random.Generator, snapshot: SimpleNamespace, n: int = 40_000) -> pa.Table:
    """A log that only has to have the right shape: the clock does not care what was learned."""
    ad = rng.integers(0, ADS, n)
    flag = {name: (rng.random(n) < rate).astype(np.int8) for name, rate in (("save", 0.02), ("hide", 0.01))}
    click = rng.random(n) < 0.1
    bought = click & (rng.random(n) < 0.2)
    lists = [rng.integers(10, 74, rng.integers(0, 12)).tolist() for _ in range(1000)]
    start = NOW - timedelta(days=14)
    columns = {
        "request_id": [f"r{number}" for number in range(n)],
        "time": [start + timedelta(days=14) * (number / n) for number in range(n)],
        "user_id": [f"u{number % 3000}" for number in range(n)],
        **{name: ["home"] * n for name in ("surface", "country", "device")},
        "hour": np.arange(n) % 24,
        "weekday": np.arange(n) % 7,
        **{name: [lists[k % 1000] for k in range(n)] for name in ("user_interests", "recent_interests")},
        **_actions(rng, n),
        **{name: getattr(snapshot, name)[ad] for name in ("ad_id", "campaign_id", "advertiser_id")},
        "ad_interest": snapshot.interest[ad],
        **{name: getattr(snapshot, name)[ad].tolist() for name in ("format", "objective")},
        "ad_age_days": rng.uniform(0, 90, n),
        **{name: rng.random(n) for name in ("similarity", "similarity_mean", "interest_match")},
        "position": rng.integers(1, 31, n),
        "gap": rng.integers(0, 9, n),
        "click": click.astype(np.int8),
        **flag,
        "conversion": bought.astype(np.int8),
        "conversion_delay_s": np.zeros(n),
        "value_micros": np.zeros(n, np.int64),
    }
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in SCHEMA], schema=SCHEMA)


def _actions(rng: np.random.Generator, n: int) -> dict[str, list[Any]]:
    """A hundred actions a row."""
    size = 100
    rows = [(rng.integers(1, 6, size), rng.integers(10, 74, size)) for _ in range(1000)]
    age = np.arange(size, 0, -1) * 3600.0
    return {
        "action_type": [rows[k % 1000][0] for k in range(n)],
        "action_interest": [rows[k % 1000][1] for k in range(n)],
        "action_item": [np.zeros(size, np.int64)] * n,
        "action_age_s": [age] * n,
    }
