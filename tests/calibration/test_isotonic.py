import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from calibration import CalibrationError, IsotonicCalibrator, PlattCalibrator, from_json, metrics


def wave(z):
    return z + 0.7 * np.sin(2.0 * z)


def test_the_mean_is_preserved_on_the_fitting_data(world):
    data = world(20_000, 1, bend=wave)
    fitted = IsotonicCalibrator().fit(data.scores, data.labels)
    assert metrics.pcoc(fitted.transform(data.scores), data.labels) == pytest.approx(1.0, abs=1e-9)


def test_the_mean_is_preserved_under_weights_and_exposure(world):
    data = world(20_000, 2, bend=wave, exposed=True)
    weight = np.random.default_rng(0).uniform(0.0, 3.0, 20_000)
    fitted = IsotonicCalibrator().fit(data.scores, data.labels, weight, data.exposure)
    found = metrics.pcoc(fitted.transform(data.scores), data.labels, weight, data.exposure)
    assert found == pytest.approx(1.0, abs=1e-9)


def test_it_mends_what_a_line_cannot(world):
    data, later = world(60_000, 3, bend=wave), world(60_000, 4, bend=wave)
    broken_line = IsotonicCalibrator().fit(data.scores, data.labels).transform(later.scores)
    line = PlattCalibrator().fit(data.scores, data.labels).transform(later.scores)
    error = np.abs(logit(broken_line) - logit(later.truth)).mean()
    assert error < 0.15
    assert error < 0.4 * np.abs(logit(line) - logit(later.truth)).mean()
    assert metrics.log_loss(broken_line, later.labels) < metrics.log_loss(line, later.labels)


def test_where_the_line_is_right_it_stays_near_it(world):
    data = world(60_000, 5, bend=lambda z: 0.7 * z - 0.5)
    fitted = IsotonicCalibrator().fit(data.scores, data.labels)
    inside = np.linspace(-5.0, -1.0, 50)
    assert logit(fitted.transform(expit(inside))) == pytest.approx(0.7 * inside - 0.5, abs=0.3)


def test_exposure_is_divided_out(world):
    data = world(80_000, 6, bend=lambda z: 0.8 * z - 0.2, exposed=True)
    fitted = IsotonicCalibrator().fit(data.scores, data.labels, exposure=data.exposure)
    blind = IsotonicCalibrator().fit(data.scores, data.labels)
    assert fitted.transform(data.scores).sum() == pytest.approx(data.truth.sum(), rel=0.04)
    assert blind.transform(data.scores).sum() < 0.65 * data.truth.sum()


def test_its_knots_are_the_pools_of_violators():
    # Rates .1, .3, .2, .6 at four scores of 1000 rows: the middle two violate and are pooled to .25.
    scores = np.repeat([0.1, 0.2, 0.3, 0.5], 1000)
    labels = np.concatenate([np.arange(1000) < 1000 * rate for rate in (0.1, 0.3, 0.2, 0.6)])
    # Not to the digit: between knots the map bends, and a last shift makes the means agree.
    fitted = IsotonicCalibrator(min_information=1.0, prior_count=1e-6).fit(scores, labels)
    assert len(fitted.knots_) == 3
    assert fitted.knots_[[0, 2]] == pytest.approx(logit([0.1, 0.5]))
    assert logit(0.2) < fitted.knots_[1] < logit(0.3)
    assert expit(fitted.values_) == pytest.approx([0.1, 0.25, 0.6], abs=0.01)
    assert fitted.transform([0.1])[0] < fitted.transform([0.2])[0] < fitted.transform([0.3])[0]


def test_a_tiny_end_pool_does_not_decide_alone():
    # One lucky click at the top score: the staircase says 1.0 there.
    rng = np.random.default_rng(7)
    scores = np.append(rng.uniform(0.005, 0.02, 20_000), 0.03)
    labels = np.append((rng.random(20_000) < scores[:-1]).astype(float), 1.0)
    top = IsotonicCalibrator().fit(scores, labels).transform([0.03])[0]
    assert 0.01 < top < 0.06


def test_a_stretch_without_positives_keeps_a_positive_rate():
    scores = np.repeat([1e-4, 1e-2], [50_000, 50_000])
    labels = np.concatenate((np.zeros(50_000), np.arange(50_000) < 500))
    low, high = IsotonicCalibrator(min_information=0.5).fit(scores, labels).transform([1e-4, 1e-2])
    assert 1e-7 < low < 1e-4
    assert high == pytest.approx(0.01, rel=0.01)


def test_with_few_labels_it_is_the_line(world):
    data = world(400, 8)
    broken_line = IsotonicCalibrator(min_information=1e6).fit(data.scores, data.labels)
    line = PlattCalibrator().fit(data.scores, data.labels)
    grid = np.linspace(0.001, 0.9, 99)
    assert len(broken_line.knots_) == 1
    assert broken_line.transform(grid) == pytest.approx(line.transform(grid), rel=1e-3)


def test_without_positives_the_scores_keep_their_spread_and_sink():
    scores = np.linspace(0.01, 0.03, 1000)
    found = IsotonicCalibrator().fit(scores, np.zeros(1000)).transform(scores)
    assert (found < scores).all()
    assert (found > scores / 100.0).all()
    assert (np.diff(found) > 0.0).all()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.floats(0.0, 1.0), st.booleans(), st.floats(0.0, 5.0), st.floats(0.01, 1.0), st.integers(1, 30)
        ),
        min_size=1,
        max_size=40,
    ),
    information=st.floats(0.01, 50.0),
)
def test_any_data_give_a_strictly_increasing_map_that_comes_back_from_json(rows, information):
    scores, labels, weight, exposure, copies = (
        np.array(column, dtype=float) for column in zip(*rows, strict=True)
    )
    weight[0] += 1.0
    repeat = copies.astype(int)
    columns = [np.repeat(column, repeat) for column in (scores, labels, weight, exposure)]
    fitted = IsotonicCalibrator(min_information=information).fit(*columns)
    grid = expit(np.arange(-20.0, 14.0, 0.01))
    found = fitted.transform(grid)
    assert (np.diff(found) > 0.0).all()
    assert found[0] > 0.0
    assert found[-1] < 1.0
    assert (from_json(fitted.to_json()).transform(grid) == found).all()


@pytest.mark.parametrize(("name", "value"), [("min_information", 0.0), ("prior_count", -1.0)])
def test_a_parameter_out_of_range_is_refused_at_fit(name, value):
    with pytest.raises(CalibrationError, match=name):
        IsotonicCalibrator(**{name: value}).fit([0.1, 0.2], [0, 1])
