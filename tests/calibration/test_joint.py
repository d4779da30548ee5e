"""The click and conversion calibrator against a market whose truth is known."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from calibration import CalibrationError, IsotonicCalibrator, JointCalibrator, NotFittedError, metrics


def market(n=60_000, seed=0, tilt=-0.3, slope=0.8, intercept=-0.9, exposed=False):
    """Likely clickers are no likely buyers: the second factor falls with p_click. p_click is true."""
    rng = np.random.default_rng(seed)
    click, given = expit(rng.normal(-2.0, 1.0, n)), expit(rng.normal(-1.0, 1.0, n))
    truth = click * expit(slope * logit(given) + tilt * np.log(click) + intercept)
    exposure = rng.uniform(0.1, 1.0, n) if exposed else np.ones(n)
    return click, given, truth, exposure, (rng.random(n) < exposure * truth).astype(float)


def test_it_finds_the_law_that_made_the_labels():
    click, given, truth, exposure, labels = market(200_000, exposed=True)
    joint = JointCalibrator().fit(click, given, labels, exposure=exposure)
    assert joint.slope_ == pytest.approx(0.8, abs=0.08)
    assert joint.tilt_ == pytest.approx(-0.3, abs=0.08)
    found = joint.transform(click, given)
    assert found.mean() == pytest.approx(truth.mean(), rel=0.05)
    for part in (click < 0.05, click > 0.3, given < 0.1, given > 0.5):
        assert found[part].mean() == pytest.approx(truth[part].mean(), rel=0.12)


def test_it_beats_the_product_and_a_calibrator_of_the_product():
    """A map of the product alone cannot tell the two factors apart, and so misses the tilt."""
    click, given, truth, _, labels = market(120_000)
    half = slice(0, 100_000), slice(100_000, None)
    joint = JointCalibrator().fit(click[half[0]], given[half[0]], labels[half[0]])
    found = joint.transform(click[half[1]], given[half[1]])
    product = click * given
    single = IsotonicCalibrator().fit(product[half[0]], labels[half[0]]).transform(product[half[1]])
    later = labels[half[1]]
    assert metrics.pcoc(product[half[1]], later) > 1.1
    assert metrics.pcoc(found, later) == pytest.approx(1.0, abs=0.08)
    assert metrics.log_loss(found, later) < metrics.log_loss(single, later)
    off = {name: np.abs(np.log(p / truth[half[1]])).mean() for name, p in (("one", single), ("two", found))}
    assert off["two"] < 0.1
    assert off["two"] < 0.5 * off["one"]


def test_on_the_fitting_rows_predictions_sum_to_the_labels():
    click, given, _, exposure, labels = market(exposed=True, seed=4)
    weight = np.random.default_rng(1).uniform(0.0, 2.0, len(click))
    found = JointCalibrator().fit(click, given, labels, weight, exposure).transform(click, given)
    assert weight @ (exposure * found) == pytest.approx(weight @ labels, rel=1e-9)


WORLDS = {
    "tilted": {},
    "rising": {"tilt": 1.0},
    "against the order": {"slope": -1.0},
    "falling faster than it may": {"tilt": -2.0, "intercept": -4.0},
    "no conversion": {"intercept": -900.0},
    "every click converts": {"slope": 0.0, "tilt": 0.0, "intercept": 900.0},
}


@pytest.mark.parametrize("world", WORLDS)
def test_it_stays_below_the_click_and_increases_in_each(world):
    click, given, _, _, labels = market(5_000, seed=2, **WORLDS[world])
    joint = JointCalibrator().fit(click, given, labels)
    grid = np.concatenate((np.geomspace(1e-9, 0.1, 400), expit(np.arange(-2.0, 9.0, 0.01))))
    for other in (1e-6, 0.02, 0.5, 0.99):
        by_click = joint.transform(grid, np.full(len(grid), other))
        by_given = joint.transform(np.full(len(grid), other), grid)
        assert np.all(np.diff(by_click) > 0.0)
        assert np.all(np.diff(by_given) > 0.0)
        assert np.all((by_click > 0.0) & (by_click < grid))
        assert np.all((by_given > 0.0) & (by_given < other))


def test_scores_at_the_ends_stay_inside():
    click, given, _, _, labels = market(5_000)
    found = JointCalibrator().fit(click, given, labels).transform([0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0])
    assert np.all((found > 0.0) & (found < 1.0))


def test_without_conversions_it_stays_near_the_product_and_says_less():
    click, given, *_ = market(2_000)
    found = JointCalibrator().fit(click, given, np.zeros(2_000)).transform(click, given)
    product = click * given
    assert np.all(found < product)
    assert found.sum() > 1e-4 * product.sum()


def test_the_order_of_rows_and_rows_without_weight_do_not_matter():
    click, given, _, exposure, labels = market(3_000, exposed=True)
    weight = np.random.default_rng(3).choice([0.5, 1.0], 3_000)
    first = JointCalibrator().fit(click, given, labels, weight, exposure).to_json()
    order = np.random.default_rng(5).permutation(3_000)
    columns = [np.append(c[order], e) for c, e in zip(
        (click, given, labels, weight, exposure), (0.9, 0.9, 1.0, 0.0, 0.3), strict=True
    )]  # fmt: skip
    assert JointCalibrator().fit(*columns).to_json() == first


def test_a_row_does_not_depend_on_its_batch():
    click, given, _, _, labels = market(2_000)
    joint = JointCalibrator().fit(click, given, labels)
    whole = joint.transform(click[:37], given[:37])
    alone = [joint.transform(click[k : k + 1], given[k : k + 1])[0] for k in range(37)]
    assert np.array_equal(whole, alone)


def test_json_gives_the_same_bits_and_parameters_are_read_and_set():
    click, given, _, _, labels = market(5_000)
    joint = JointCalibrator(ridge=2.0).fit(click, given, labels)
    again = JointCalibrator.from_json(json.dumps(joint.to_json()))
    assert repr(again) == "JointCalibrator(ridge=2.0)"
    assert np.array_equal(again.transform(click, given), joint.transform(click, given))
    assert again.clone().set_params(ridge=3.0).get_params() == {"ridge": 3.0}
    with pytest.raises(CalibrationError, match="slope"):
        again.set_params(slope=1.0)
    with pytest.raises(NotFittedError):
        again.clone().transform(click, given)
    with pytest.raises(NotFittedError):
        again.clone().to_json()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("kind",), "isotonic"),
        (("version",), 2),
        (("params", "ridge"), 0.0),
        (("state", "slope"), -1.0),
        (("state", "slope"), float("nan")),
        (("state", "tilt"), -1.0),
        (("state", "intercept"), "1e999"),
        (("state", "more"), 1.0),
        (("more",), 1.0),
    ],
)
def test_a_hostile_document_is_refused_by_name(place, value):
    document = JointCalibrator().fit([0.1, 0.2], [0.3, 0.4], [0, 1]).to_json()
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    with pytest.raises(CalibrationError, match=place[-1]) as caught:
        JointCalibrator.from_json(document, "joint.json")
    assert caught.value.file == "joint.json"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (([np.nan], [0.5], [0]), "p_click[0]"),
        (([0.5], [1.5], [0]), "p_conversion_given_click[0]"),
        (([0.5], [np.inf], [0]), "p_conversion_given_click[0]"),
        (([0.5, 0.1], [0.5], [0, 1]), "p_conversion_given_click"),
        (([0.5], [0.5], [2]), "labels[0]"),
        (([0.5], [0.5], [1], [0.0]), "weight"),
        (([0.5], [0.5], [1], None, [0.0]), "exposure[0]"),
        (([], [], []), "scores"),
    ],
)
def test_bad_columns_are_named(arguments, field):
    with pytest.raises(CalibrationError) as caught:
        JointCalibrator().fit(*arguments)
    assert caught.value.field == field
