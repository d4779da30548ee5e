import numpy as np
import pytest

from adsrank.models.exposure import ExposureCurve
from adsrank.models.probabilities import Probabilities
from adsrank.training.calibrate import fit_calibrators
from adsrank.training.evaluate import evaluate
from adsrank.training.labels import Labels

CURVE = ExposureCurve(0.9 ** np.arange(64), np.array([0.6, 0.75, 0.85, 0.95]))


def market(n=60_000, seed=2):
    """Truth, a model that is off in level and in slope, and labels of placed ads."""
    rng = np.random.default_rng(seed)
    truth = {
        "click": 1 / (1 + np.exp(-rng.normal(-2.5, 0.8, n))),
        "conversion_given_click": 1 / (1 + np.exp(-rng.normal(-1.5, 0.8, n))),
        "save": np.full(n, 0.03) * np.exp(rng.normal(0, 0.3, n)),
        "hide": np.full(n, 0.01) * np.exp(rng.normal(0, 0.3, n)),
    }
    position, gap = rng.integers(1, 20, n), rng.integers(0, 8, n)
    seen = rng.random(n) < CURVE.of(position, gap)
    click = seen & (rng.random(n) < truth["click"])
    bought = click & (rng.random(n) < truth["conversion_given_click"])
    mature = np.arange(n) < n * 0.8
    labels = Labels(
        np.arange(n), position, gap, click.astype(float),
        (seen & (rng.random(n) < truth["save"])).astype(float),
        (seen & (rng.random(n) < truth["hide"])).astype(float), (bought & mature).astype(float), mature,
    )  # fmt: skip
    raw = {head: 1 / (1 + np.exp(-(1.4 * np.log(p / (1 - p)) + 0.7))) for head, p in truth.items()}
    return truth, raw, labels


def test_calibration_recovers_the_truth_from_placed_labels():
    truth, raw, labels = market()
    found = fit_calibrators(raw, labels, CURVE).transform(raw)
    assert found["p_click"].mean() == pytest.approx(truth["click"].mean(), rel=0.04)
    middle = (truth["click"] > 0.03) & (truth["click"] < 0.3)
    assert found["p_click"][middle] == pytest.approx(truth["click"][middle], rel=0.25)
    joint = truth["click"] * truth["conversion_given_click"]
    assert found["p_click_conversion"].mean() == pytest.approx(joint.mean(), rel=0.1)
    given = found["p_conversion_given_click"].mean()
    assert given == pytest.approx(truth["conversion_given_click"].mean(), rel=0.1)


def test_conversions_are_judged_on_mature_clicks_only():
    """Fresh clicks look like failures: counting them would bias the probability down."""
    _, raw, labels = market()
    report = evaluate(raw, fit_calibrators(raw, labels, CURVE), labels, CURVE)
    assert report["conversion_given_click"]["rows"] == int((labels.click * labels.mature).sum())
    assert report["click_conversion"]["rows"] == int(labels.mature.sum())
    assert report["conversion_given_click"]["pcoc"] == pytest.approx(1.0, abs=0.01)


def test_pcoc_is_predicted_over_observed():
    _, raw, labels = market()
    report = evaluate(raw, fit_calibrators(raw, labels, CURVE), labels, CURVE)
    seen = CURVE.of(labels.position, labels.gap)
    expected = (raw["click"] * seen).sum() / labels.click.sum()
    assert report["click"]["pcoc_raw"] == pytest.approx(expected)
    assert report["click"]["pcoc"] == pytest.approx(1.0, abs=0.01)


def test_order_is_kept_strictly_and_json_keeps_every_bit():
    _, raw, labels = market(8_000)
    fitted = fit_calibrators(raw, labels, CURVE)
    scores = np.sort(np.random.default_rng(0).uniform(1e-4, 0.5, 4_000))
    grid = dict.fromkeys(raw, scores)
    found = fitted.transform(grid)
    for head in raw:
        assert np.all(np.diff(found[f"p_{head}"]) > 0)
    again = Probabilities.from_json(fitted.to_json(), tuple(raw)).transform(grid)
    for name in found:
        assert np.array_equal(again[name], found[name])
