import numpy as np
import pytest
from scipy.special import expit

from calibration.likelihood import Bounds, fit_linear, row_terms
from calibration.sample import Sample


@pytest.mark.parametrize("exposure", [0.05, 0.5, 1.0])
def test_pull_is_minus_the_slope_of_the_loss(exposure):
    z = np.linspace(-12.0, 9.0, 85)
    x, step = np.full(85, exposure), 1e-5
    for label in (0.0, 1.0):
        y = np.full(85, label)
        slope = (row_terms(z + step, y, x).loss - row_terms(z - step, y, x).loss) / (2.0 * step)
        assert row_terms(z, y, x).pull == pytest.approx(-slope, abs=1e-6)


@pytest.mark.parametrize("exposure", [0.05, 0.5, 1.0])
def test_information_is_the_variance_of_the_pull(exposure):
    z = np.linspace(-10.0, 10.0, 41)
    x = np.full(41, exposure)
    mu = x * expit(z)
    on, off = row_terms(z, np.ones(41), x), row_terms(z, np.zeros(41), x)
    assert mu * on.pull + (1.0 - mu) * off.pull == pytest.approx(np.zeros(41), abs=1e-12)
    variance = mu * on.pull**2 + (1.0 - mu) * off.pull**2
    assert on.information == pytest.approx(variance, rel=1e-6, abs=1e-12)


def test_the_loss_keeps_its_digits_at_both_ends():
    z = np.array([-40.0, 40.0])
    terms = row_terms(z, np.array([0.0, 1.0]), np.ones(2))
    assert terms.loss == pytest.approx(np.full(2, np.exp(-40.0)), rel=1e-12)


def test_a_coefficient_held_at_its_bound_leaves_the_others_free():
    rng = np.random.default_rng(0)
    z = rng.normal(size=4_000)
    labels = (rng.random(4_000) < expit(-z + 0.5)).astype(float)
    sample = Sample(z, labels, np.ones(4_000), np.ones(4_000), {})
    bounds = Bounds(np.array([1.0, 0.0]), np.zeros(2), np.array([0.2, -9.0]), np.array([9.0, 9.0]))
    slope, intercept = fit_linear(np.column_stack((z, np.ones(4_000))), sample, bounds)
    assert slope == 0.2
    # Free of a bound, the intercept's own equation holds: predictions sum to labels.
    assert expit(0.2 * z + intercept).sum() == pytest.approx(labels.sum(), rel=1e-9)
