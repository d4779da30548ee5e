import numpy as np
import pytest
from scipy.special import expit

from calibration import CalibrationError, UndefinedMetric, metrics
from calibration.reliability import equal_mass_bins


def draw(seed: int, n: int = 400):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.1, 0.5, n)
    return scores, (rng.random(n) < scores).astype(float)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    hits = sum(
        1.0 in metrics.with_interval(metrics.pcoc, *draw(seed), seed=seed, replicates=100, level=0.9)
        for seed in range(120)
    )
    assert 0.82 <= hits / 120 <= 0.97


def test_the_same_seed_gives_the_same_interval_and_another_another():
    data = draw(1)
    first = metrics.with_interval(metrics.log_loss, *data, seed=3)
    assert metrics.with_interval(metrics.log_loss, *data, seed=3) == first
    assert metrics.with_interval(metrics.log_loss, *data, seed=np.random.default_rng(3)) == first
    assert metrics.with_interval(metrics.log_loss, *data, seed=4) != first
    assert first.low < first.value < first.high


def test_rows_that_belong_together_are_drawn_together():
    scores, labels = draw(2, 40)
    scores, labels = np.repeat(scores, 25), np.repeat(labels, 25)
    user = np.repeat(np.arange(40), 25)
    naive = metrics.with_interval(metrics.pcoc, scores, labels, seed=0)
    honest = metrics.with_interval(metrics.pcoc, scores, labels, seed=0, cluster=user)
    # 25 copies of a row are one observation: the interval must be about sqrt(25) times as wide.
    ratio = (honest.high - honest.low) / (naive.high - naive.low)
    assert 3.5 < ratio < 7.0


def test_options_and_exposure_reach_the_metric():
    scores, labels = draw(3)
    exposure = np.full(400, 0.5)
    labels = labels * (np.arange(400) % 2)
    found = metrics.with_interval(metrics.ece, scores, labels, exposure=exposure, seed=0, bins=3)
    assert found.value == metrics.ece(scores, labels, exposure=exposure, bins=3)
    group = np.arange(400) % 5
    found = metrics.with_interval(metrics.grouped_auc, scores, labels, seed=0, group=group)
    assert found.low < found.value < found.high


def test_replicates_without_a_value_are_counted():
    labels = np.zeros(60)
    labels[:2] = 1.0
    found = metrics.with_interval(metrics.auc, np.linspace(0.9, 0.1, 60), labels, seed=0)
    assert found.undefined > 0
    assert found.high <= 1.0


def test_too_few_defined_replicates_are_no_interval():
    # All positives in one cluster, all negatives in another, eight without weight: few draws hold both.
    labels, weight = np.array([1.0] + [0.0] * 9), np.array([1.0, 1.0] + [0.0] * 8)
    with pytest.raises(UndefinedMetric, match="replicates"):
        metrics.with_interval(
            metrics.auc, np.linspace(0.1, 0.9, 10), labels, weight, seed=0, cluster=np.arange(10)
        )


@pytest.mark.parametrize("options", [{"replicates": 1}, {"level": 1.0}, {"level": 0.0}])
def test_an_option_out_of_range_is_refused(options):
    with pytest.raises(CalibrationError, match=next(iter(options))):
        metrics.with_interval(metrics.pcoc, *draw(4), seed=0, **options)


def test_what_chance_makes_of_right_scores_is_told_from_an_error():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.02, 0.3, 5_000)
    labels = rng.random(5_000) < truth
    chance = metrics.if_calibrated(metrics.ece, truth, seed=1, replicates=100)
    assert chance.low < chance.value < chance.high
    assert metrics.ece(truth, labels) in chance
    assert metrics.ece(0.8 * truth, labels) > chance.high
    again = metrics.if_calibrated(metrics.ece, truth, seed=1, replicates=100)
    assert again == chance


def test_chance_knows_weight_and_exposure():
    scores, exposure = np.full(400, 0.5), np.full(400, 0.2)
    chance = metrics.if_calibrated(metrics.pcoc, scores, None, exposure, seed=0, replicates=100)
    assert 1.0 in chance
    wide = metrics.if_calibrated(
        metrics.pcoc, scores, np.arange(400.0) ** 4, exposure, seed=0, replicates=100
    )
    assert wide.high - wide.low > chance.high - chance.low


def test_a_metric_that_chance_leaves_undefined_is_named():
    with pytest.raises(UndefinedMetric, match="replicates"):
        metrics.if_calibrated(metrics.pcoc, [1e-9] * 5, seed=0)


@pytest.mark.parametrize("slope", [1.0, 0.8])
def test_the_interval_of_an_error_covers_the_truth_where_the_plain_one_does_not(slope):
    """The plain one only ever sees noise on top of noise: of right scores it never covers 0."""
    rng = np.random.default_rng(3)
    z = rng.normal(-2.0, 1.0, 2_000)
    scores, truth = expit(z), expit(slope * z)
    code = equal_mass_bins(scores, np.ones(2_000), 15)
    exact = np.abs(np.bincount(code, scores - truth)).sum() / 2_000
    plain = covered = 0
    for seed in range(20):
        labels = np.random.default_rng(seed).random(2_000) < truth
        options = {"seed": seed, "replicates": 60}
        plain += exact in metrics.with_interval(metrics.ece, scores, labels, **options)
        covered += exact in metrics.error_interval(metrics.ece, scores, labels, **options)[0]
    assert covered >= 18
    assert plain == 0 or slope < 1.0
