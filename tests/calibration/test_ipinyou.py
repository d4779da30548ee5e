"""Recalibrating the logged click predictions of a real bidding log, first half to second half in time."""

import gzip
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from calibration import Chain, DriftCorrector, IsotonicCalibrator, PlattCalibrator, metrics

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "ipinyou"
STABLE = ["1458", "2259", "2261", "3386", "3427"]
"""Of the six campaigns 2997 is told apart: in the middle of its log predictions and clicks fall by half."""

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the iPinYou log is not beside the checkout")


@cache
def log(name: str):
    """Clicks and logged predictions in time order, without the lines of other than three fields."""
    with gzip.open(FOLDER / name, "rt") as lines:
        rows = [line.split() for line in lines]
    clicks, _, theta = np.array([row for row in rows if len(row) == 3], dtype=np.float64).T
    return clicks, theta


def halves(name: str):
    clicks, theta = log(name)
    half = len(clicks) // 2
    return theta[:half], clicks[:half], theta[half:], clicks[half:]


@pytest.mark.parametrize("calibrator", [PlattCalibrator(), IsotonicCalibrator()], ids=repr)
def test_the_complete_test_log_is_mended(calibrator):
    theta, clicks, later, later_clicks = halves("2997.test.theta.txt.gz")
    found = calibrator.clone().fit(theta, clicks).transform(later)
    assert metrics.pcoc(later, later_clicks) > 1.1
    assert 0.9 <= metrics.pcoc(found, later_clicks) <= 1.1
    assert metrics.log_loss(found, later_clicks) < metrics.log_loss(later, later_clicks)
    assert metrics.auc(found, later_clicks) == pytest.approx(metrics.auc(later, later_clicks), abs=1e-12)


@pytest.mark.parametrize("calibrator", [PlattCalibrator(), IsotonicCalibrator()], ids=repr)
def test_five_campaigns_together_are_mended(calibrator):
    parts = [halves(f"{campaign}.validation.txt.gz") for campaign in STABLE]
    found = np.concatenate([calibrator.clone().fit(t, c).transform(later) for t, c, later, _ in parts])
    raw = np.concatenate([later for _, _, later, _ in parts])
    clicks = np.concatenate([later_clicks for *_, later_clicks in parts])
    assert metrics.pcoc(raw, clicks) < 0.45
    assert 0.9 <= metrics.pcoc(found, clicks) <= 1.1
    assert metrics.log_loss(found, clicks) < metrics.log_loss(raw, clicks)


@pytest.mark.parametrize("campaign", STABLE)
def test_each_campaign_of_stable_traffic_is_mended(campaign):
    """60 or 70 clicks a half: the ratio of two such counts has a 95 % interval of about 0.7 to 1.4."""
    theta, clicks, later, later_clicks = halves(f"{campaign}.validation.txt.gz")
    found = IsotonicCalibrator().fit(theta, clicks).transform(later)
    assert metrics.pcoc(later, later_clicks) < 0.55
    assert 0.75 <= metrics.pcoc(found, later_clicks) <= 1.3
    assert metrics.log_loss(found, later_clicks) < metrics.log_loss(later, later_clicks)
    interval = metrics.with_interval(metrics.pcoc, found, later_clicks, seed=0, replicates=100)
    assert interval.high >= 0.9
    assert interval.low <= 1.1


def test_where_traffic_changes_drift_correction_catches_up():
    theta, clicks, later, later_clicks = halves("2997.validation.txt.gz")
    drift = DriftCorrector(half_life=10_000, prior_precision=3.0)
    chain = Chain([PlattCalibrator(), drift]).fit(theta, clicks)
    still = chain.transform(later)
    said = np.empty_like(later)
    batch, delay = 500, 1_000
    for first in range(0, len(later), batch):
        said[first : first + batch] = chain.transform(later[first : first + batch])
        if first >= delay:  # labels become known two batches late
            known = slice(first - delay, first - delay + batch)
            chain.observe(later[known], later_clicks[known])
    assert metrics.pcoc(still, later_clicks) < 0.85
    assert metrics.log_loss(said, later_clicks) < metrics.log_loss(still, later_clicks)
    settled = slice(20_000, None)
    # 110 clicks: the ratio's standard error is a tenth.
    off = abs(np.log(metrics.pcoc(still[settled], later_clicks[settled])))
    mended = abs(np.log(metrics.pcoc(said[settled], later_clicks[settled])))
    assert mended < 0.65 * off
    assert 1.0 in metrics.with_interval(metrics.pcoc, said[settled], later_clicks[settled], seed=0)
    assert 1.0 not in metrics.with_interval(metrics.pcoc, still[settled], later_clicks[settled], seed=0)
