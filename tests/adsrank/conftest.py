"""A seeded market with a known law, small enough for tests."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from adsrank.features.examples import SCHEMA
from adsrank.training import TrainConfig, train

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 14


@dataclass(frozen=True)
class Planted:
    """A training table and what it was drawn from."""

    table: pa.Table
    p_click: np.ndarray
    p_conversion_given_click: np.ndarray
    p_save: np.ndarray
    examination: np.ndarray
    gap_effect: np.ndarray


def plant(rows: int = 30_000, seed: int = 5) -> Planted:
    """Rows whose click, save, hide and conversion follow known functions of the columns."""
    rng = np.random.default_rng(seed)
    per_request = 4
    requests = rows // per_request
    of = np.repeat(np.arange(requests), per_request)
    n = len(of)
    seconds = np.sort(rng.uniform(0, DAYS * 86_400, requests))
    time = np.datetime64(START.replace(tzinfo=None), "us") + (seconds[of] * 1e6).astype("timedelta64[us]")
    ads = 200
    quality = rng.normal(0, 0.5, ads)
    ad_interest = rng.integers(10, 30, ads)
    ad = rng.integers(0, ads, n)
    interests = [rng.choice(np.arange(10, 30), rng.integers(1, 5), replace=False) for _ in range(requests)]
    recent = [rng.choice(np.arange(10, 30), rng.integers(0, 7)) for _ in range(requests)]
    match = np.array([ad_interest[a] in interests[r] for a, r in zip(ad, of, strict=True)], np.float32)
    similarity = np.clip(rng.normal(0.3 + 0.3 * match, 0.2, n), -1, 1).astype(np.float32)
    device = rng.choice(["phone", "tablet", "web"], requests, p=[0.7, 0.1, 0.2])
    position = rng.integers(1, 31, n)
    gap = np.where(rng.random(n) < 0.25, 0, rng.integers(1, 12, n))
    examination = 0.94 ** np.arange(64)
    gap_effect = np.array([0.6, 0.75, 0.85, 0.95])
    seen = (
        examination[position - 1] * np.append(gap_effect, 1.0)[np.where((gap >= 1) & (gap <= 4), gap - 1, 4)]
    )
    logit = -2.6 + 2.5 * similarity + 0.8 * match + quality[ad] + 0.4 * (device[of] == "phone")
    p_click = 1 / (1 + np.exp(-logit))
    p_save = 1 / (1 + np.exp(-(-3.2 + 1.5 * similarity - 0.5 * quality[ad])))
    p_hide = np.full(n, 0.01)
    p_conversion = 1 / (1 + np.exp(-(-1.6 + 1.2 * quality[ad])))
    looked = rng.random(n) < seen
    click = looked & (rng.random(n) < p_click)
    delay = rng.exponential(0.6 * 86_400, n)
    end = DAYS * 86_400
    bought = click & (rng.random(n) < p_conversion) & (delay < 3 * 86_400) & (seconds[of] + delay < end)
    table = pa.table(
        {
            "request_id": [f"r{r}" for r in of],
            "time": pa.array(time, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")),
            "user_id": [f"u{r % 500}" for r in of],
            "surface": rng.choice(["home", "search"], requests)[of].tolist(),
            "country": rng.choice(["US", "DE", "FR"], requests)[of].tolist(),
            "device": device[of].tolist(),
            "hour": (seconds[of] // 3600 % 24).astype(np.int32),
            "weekday": (seconds[of] // 86_400 % 7).astype(np.int32),
            "user_interests": [interests[r].tolist() for r in of],
            "recent_interests": [recent[r].tolist() for r in of],
            "action_type": [(1 + recent[r] % 5).tolist() for r in of],
            "action_interest": [recent[r].tolist() for r in of],
            "action_item": [[0] * len(recent[r]) for r in of],
            "action_age_s": [(60.0 * np.arange(len(recent[r]), 0, -1)).tolist() for r in of],
            "ad_id": 1_000 + ad,
            "campaign_id": 100 + ad // 4,
            "advertiser_id": 10 + ad // 8,
            "ad_interest": ad_interest[ad].astype(np.int32),
            "format": np.array(["image", "video"])[ad % 2].tolist(),
            "objective": np.array(["AWARENESS", "CONVERSION"])[ad // 4 % 2].tolist(),
            "ad_age_days": rng.uniform(0, 60, n).astype(np.float32),
            "similarity": similarity,
            "similarity_mean": (similarity - rng.uniform(0, 0.2, n)).astype(np.float32),
            "interest_match": match,
            "position": position.astype(np.int32),
            "gap": gap.astype(np.int32),
            "click": click.astype(np.int8),
            "save": (looked & (rng.random(n) < p_save)).astype(np.int8),
            "hide": (looked & (rng.random(n) < p_hide)).astype(np.int8),
            "conversion": bought.astype(np.int8),
            "conversion_delay_s": pa.array(np.where(bought, delay, np.nan), from_pandas=True),
            "value_micros": np.where(bought, 20_000_000, 0),
        },
        schema=SCHEMA,
    )
    return Planted(table, p_click, p_conversion, p_save, examination, gap_effect)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant()


@pytest.fixture(scope="session")
def trained(planted):
    """The shipped feature table on the planted table; small batches, as the table is small."""
    return train(planted.table, config=TrainConfig(batch_size=256))


@pytest.fixture(scope="session")
def few_rows(planted):
    """A quarter of the planted table's requests, over all its days."""
    rows = np.arange(len(planted.table))
    return planted.table.take(pa.array(rows[rows // 4 % 4 == 0]))
