from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pytest

from adsrank.data import market
from adsrank.data.law import LAWS


@pytest.fixture(scope="module")
def made() -> market.Market:
    return market.make(4, users=200, pins=600, advertisers=20, ads=200, impressions=3000)


def test_equal_seeds_make_equal_markets(made, digest) -> None:
    again = market.make(4, users=200, pins=600, advertisers=20, ads=200, impressions=3000)
    assert digest(again.world) == digest(made.world)
    assert again.rows == made.rows
    assert again.examples.equals(made.examples)


def test_the_log_ends_where_traffic_may_begin(made) -> None:
    times = made.examples["time"].to_pylist()
    assert made.opens.tzinfo is UTC
    assert made.opens - timedelta(days=market.LOG_DAYS) <= min(times) <= max(times) < made.opens
    assert max(times) > made.opens - timedelta(hours=6)
    assert made.examples.num_rows == 3000


def test_another_law_changes_the_labels_and_nothing_that_the_engine_sees_before(made) -> None:
    noisy = market.make(
        4, users=200, pins=600, advertisers=20, ads=200, impressions=3000, law=LAWS["impatient"]
    )
    assert noisy.rows == made.rows
    shown = ["request_id", "ad_id", "position", "similarity"]
    assert noisy.examples.select(shown).equals(made.examples.select(shown))
    assert np.sum(noisy.examples["click"]) < 0.7 * np.sum(made.examples["click"])


def test_real_saves_make_a_market_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [" ".join(map(str, [user, *rng.choice(90, 15, replace=False)])) for user in range(80)]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    made = market.make(4, tmp_path, limit=60, advertisers=8, ads=70, impressions=500)
    assert made.world.name == "pinterest"
    assert len(made.world.users.user_id) == 60
    assert made.examples.num_rows == 500
