import numpy as np
import pytest

from adsrank.models.exposure import ExposureConfig, ExposureCurve, _cells, _likelihood, fit_exposure

GAP = np.array([0.6, 0.75, 0.85, 0.95])


def drawn(rows, examination, seed=1, positions=30):
    """Places, probabilities and labels of three heads under a known exposure."""
    rng = np.random.default_rng(seed)
    position = rng.integers(1, positions + 1, rows)
    gap = np.where(rng.random(rows) < 0.3, 0, rng.integers(1, 9, rows))
    p = np.clip(np.exp(rng.normal(-2.5, 0.7, (rows, 3))), 0, 0.9)
    seen = ExposureCurve(examination, GAP).of(position, gap)
    labels = (rng.random((rows, 3)) < p * seen[:, None]).astype(float)
    return position, gap, labels, p


@pytest.mark.parametrize(
    "examination",
    [0.94 ** np.arange(64), np.arange(1, 65) ** -0.5, np.exp(-((np.arange(64) / 28) ** 1.15))],
    ids=["geometric", "power", "weibull"],
)
def test_planted_curves_are_recovered(examination):
    curve = fit_exposure(*drawn(120_000, examination))
    assert curve.examination[:30] == pytest.approx(examination[:30], rel=0.12)
    assert curve.gap == pytest.approx(GAP, abs=0.08)


def test_the_level_of_the_probabilities_does_not_bend_the_curves():
    position, gap, labels, p = drawn(120_000, 0.94 ** np.arange(64))
    right = fit_exposure(position, gap, labels, p)
    odds = p / (1 - p) / 3
    shifted = fit_exposure(position, gap, labels, odds / (1 + odds))
    assert shifted.examination == pytest.approx(right.examination, rel=0.02)


def test_curves_are_monotone_by_construction_even_on_noise():
    rng = np.random.default_rng(3)
    n = 500
    labels = (rng.random((n, 1)) < 0.3).astype(float)
    position = rng.integers(1, 40, n)
    curve = fit_exposure(position, rng.integers(0, 8, n), labels, np.full((n, 1), 0.3))
    assert curve.examination[0] == 1.0
    assert np.all(np.diff(curve.examination) <= 0)
    assert np.all(np.diff(curve.gap) >= 0)
    assert np.all((curve.gap > 0) & (curve.gap <= 1))


def test_a_thin_tail_goes_on_smoothly():
    """One lucky click far down must not make its position better than its neighbours' trend."""
    position, gap, labels, p = drawn(60_000, 0.9 ** np.arange(64), positions=20)
    position, gap = np.append(position, 45), np.append(gap, 0)
    labels, p = np.vstack([labels, [1.0, 0, 0]]), np.vstack([p, [0.05, 0.05, 0.05]])
    curve = fit_exposure(position, gap, labels, p).examination
    steps = curve[1:] / curve[:-1]
    assert np.all(np.abs(np.diff(steps[18:])) < 0.02)


def test_without_any_label_the_prior_speaks():
    curve = fit_exposure(np.array([1, 2]), np.array([0, 0]), np.zeros((2, 1)), np.full((2, 1), 0.01))
    assert curve.examination[1] == pytest.approx(0.9, abs=0.02)


def test_the_gradient_is_that_of_the_likelihood():
    rng = np.random.default_rng(0)
    cells = _cells(*drawn(2_000, 0.9 ** np.arange(64)), 12, None)
    theta = rng.normal(1, 1, 11 + 4 + 3)

    def loss(at):
        return _likelihood(cells, at[:11], at[11:15], at[15:])[0]

    _, slope, shift = _likelihood(cells, theta[:11], theta[11:15], theta[15:])
    for index, expected in enumerate(np.concatenate([slope, shift])):
        step = np.zeros_like(theta)
        step[index] = 1e-5
        assert (loss(theta + step) - loss(theta - step)) / 2e-5 == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_exposure_is_examination_times_gap_effect_and_nothing_from_the_fifth_position_on():
    curve = ExposureCurve(np.array([1.0, 0.5, 0.25]), GAP)
    position, gap = np.array([1, 2, 3, 99, 2]), np.array([0, 1, 4, 5, 400])
    assert curve.of(position, gap).tolist() == [1.0, 0.3, 0.2375, 0.25, 0.5]


def test_the_auction_reads_the_same_curves():
    curve = fit_exposure(*drawn(5_000, 0.9 ** np.arange(64)), ExposureConfig(positions=20))
    policy = curve.policy()
    assert len(policy.examination) == 20
    assert policy.examination[0] == 1.0
    again = ExposureCurve.from_policy(policy)
    assert np.array_equal(again.examination, curve.examination)
    assert np.array_equal(again.gap, curve.gap)
