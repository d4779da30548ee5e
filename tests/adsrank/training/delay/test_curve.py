import numpy as np
import pytest

from adsrank.training.delay import DelayCurve, Feedback, LateRule, WeibullDelay

DAY = 86_400.0
AT = np.array([0.1, 0.5, 1.0, 2.0, 4.0, 6.0]) * DAY


def true_share(law, at):
    whole = -np.expm1(-((np.exp(law.log_rate) * law.window_s) ** law.shape))
    return -np.expm1(-((np.exp(law.log_rate) * at) ** law.shape)) / whole


def test_both_laws_find_the_share_that_is_known_by_each_age(law):
    _, _, known, _ = law.known(60_000, 1)
    for found in (DelayCurve.fit(known), WeibullDelay.fit(known)):
        assert found.complete(AT) == pytest.approx(true_share(law, AT), abs=0.02)
        assert found.complete(np.array([law.window_s, 9 * DAY])).tolist() == [1.0, 1.0]
    assert WeibullDelay.fit(known).log_shape == pytest.approx(np.log(law.shape), abs=0.05)
    assert WeibullDelay.fit(known).log_rate == pytest.approx(law.log_rate, abs=0.1)


def test_delays_of_known_conversions_alone_look_too_short_and_the_curve_does_not(law):
    _, _, known, full = law.known(60_000, 2, span_s=4 * DAY)
    plain = np.mean(known.delay_s[known.conversion > 0] <= DAY)
    truth = np.mean(full.delay_s[full.conversion > 0] <= DAY)
    curve = DelayCurve.fit(known)
    assert plain > truth + 0.03
    # Nothing is known past four days: the curve is relative to what can be seen.
    assert curve.reach_s == pytest.approx(4 * DAY, rel=0.01)
    within = np.mean(full.delay_s[full.conversion > 0] <= 4 * DAY)
    assert curve.complete(np.array([DAY]))[0] == pytest.approx(truth / within, abs=0.02)


def test_the_curve_counts_conversions_only_so_days_that_convert_more_do_not_bend_it(law):
    _, p, delay, elapsed = law.draw(60_000, 3)
    keep = (elapsed > 2 * DAY) | np.isnan(delay) | (np.random.default_rng(0).random(len(p)) < 0.3)
    found = DelayCurve.fit(Feedback.observe(delay[keep], elapsed[keep], law.window_s))
    assert found.complete(AT) == pytest.approx(true_share(law, AT), abs=0.025)


def test_the_exponential_law_is_the_weibull_of_shape_one(law):
    plain = WeibullDelay(float(np.log(1 / DAY)), 0.0, 7 * DAY)
    assert plain.complete(AT) == pytest.approx((1 - np.exp(-AT / DAY)) / (1 - np.exp(-7)), rel=1e-12)
    _, _, known, _ = law.known(5000, 4)
    assert WeibullDelay.fit(known, shape=1.0).log_shape == 0.0


def test_a_density_is_the_slope_of_its_share():
    law = WeibullDelay(float(np.log(1 / DAY)), float(np.log(0.6)), 7 * DAY)
    slope = (law.complete(AT + 5) - law.complete(AT - 5)) / 10
    assert np.exp(law.log_density(AT)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("late", ["mature_only", "naive", "importance", "delayed_feedback"])
def test_a_day_without_conversions_is_no_error(late):
    none = Feedback.observe(np.full(100, np.nan), np.linspace(0, 10 * DAY, 100), 7 * DAY)
    targets = LateRule.fit(none, late).targets(none)
    assert all(np.isfinite(column).all() for column in targets)
    assert targets.weight[-1] == targets.share[-1] == 1.0


def test_one_old_click_that_converted_last_does_not_bend_the_curve(law):
    rng = np.random.default_rng(5)
    delay = np.append(rng.exponential(0.1 * DAY, 500), 6.9 * DAY)
    elapsed = np.append(np.full(500, 3 * DAY), 6.95 * DAY)
    found = DelayCurve.fit(Feedback.observe(delay, elapsed, 7 * DAY))
    assert found.complete(np.array([0.1 * DAY]))[0] == pytest.approx(1 - np.exp(-1), abs=0.06)
