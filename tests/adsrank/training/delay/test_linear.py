from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from adsrank.errors import InputError
from adsrank.training.delay import DelayCurve, Feedback, LateLogistic

DAY = 86_400.0


def test_delayed_feedback_recovers_who_converts_and_how_soon(law):
    law = replace(law, delay_weight=(0.0, 0.0, 0.5))
    x, _, known, _ = law.known(60_000, 1)
    model = LateLogistic("delayed_feedback").fit(x, known)
    assert model.coef_ == pytest.approx(law.weight, abs=0.06)
    assert model.intercept_ == pytest.approx(law.intercept, abs=0.06)
    assert model.delay_coef_ == pytest.approx(law.delay_weight, abs=0.08)
    assert model.delay_intercept_ == pytest.approx(law.log_rate, abs=0.1)
    assert model.log_shape_ == pytest.approx(np.log(law.shape), abs=0.04)


def test_chapelles_exponential_delay_recovers_an_exponential_law(law):
    law = replace(law, shape=1.0)
    x, _, known, _ = law.known(40_000, 2, span_s=5 * DAY)
    model = LateLogistic("delayed_feedback", shape=1.0).fit(x, known)
    assert model.coef_ == pytest.approx(law.weight, abs=0.07)
    assert model.delay_intercept_ == pytest.approx(law.log_rate, abs=0.1)


def test_importance_and_delayed_feedback_find_the_level_that_naive_misses(law):
    x, p, known, full = law.known(60_000, 3, span_s=8 * DAY)
    level = {late: LateLogistic(late).fit(x, known).predict(x).mean() / p.mean() for late in (
        "naive", "mature_only", "importance", "delayed_feedback"
    )}  # fmt: skip
    assert level["naive"] < 0.92
    assert level["importance"] == pytest.approx(1, abs=0.03)
    assert level["delayed_feedback"] == pytest.approx(1, abs=0.03)
    assert level["mature_only"] == pytest.approx(1, abs=0.06)
    curve = DelayCurve.fit(known)
    for late in ("importance", "delayed_feedback"):
        held = LateLogistic(late, law=curve).fit(x, known).predict(x)
        assert held.mean() / p.mean() == pytest.approx(1, abs=0.03)
    assert LateLogistic("naive").fit(x, full).predict(x).mean() / p.mean() == pytest.approx(1, abs=0.02)


def test_without_late_labels_it_is_logistic_regression(law):
    x, _, _, full = law.known(3000, 4)
    peer = LogisticRegression(C=1 / 2.0, tol=1e-8).fit(x, full.conversion)
    for late in ("naive", "mature_only", "importance"):
        model = LateLogistic(late, ridge=2.0).fit(csr_matrix(x), full)
        assert model.coef_ == pytest.approx(peer.coef_[0], abs=2e-4)
        assert model.predict(x) == pytest.approx(peer.predict_proba(x)[:, 1], abs=1e-4)


@pytest.mark.parametrize("late", ["naive", "importance", "delayed_feedback"])
def test_a_log_without_conversions_predicts_next_to_none(law, late):
    x = np.random.default_rng(0).normal(size=(400, 3))
    none = Feedback.observe(np.full(400, np.nan), np.linspace(0, 9 * DAY, 400), law.window_s)
    found = LateLogistic(late).fit(x, none).predict(x)
    assert np.isfinite(found).all()
    assert found.max() < 0.05


def test_bad_input_is_named(law):
    x, _, known, _ = law.known(50, 5)
    young = Feedback.observe(np.full(50, np.nan), np.full(50, DAY), law.window_s)
    with pytest.raises(InputError, match="window is over"):
        LateLogistic("mature_only").fit(x, young)
    with pytest.raises(InputError, match="give one of"):
        LateLogistic("wait").fit(x, known)
    with pytest.raises(InputError, match="50, one a click"):
        LateLogistic().fit(x[:40], known)
    with pytest.raises(InputError, match="finite"):
        LateLogistic().fit(np.where(x > 1, np.inf, x), known)
    with pytest.raises(InputError, match="ridge"):
        LateLogistic(ridge=0.0).fit(x, known)
    with pytest.raises(InputError, match="3, as in fit"):
        LateLogistic().fit(x, known).predict(x[:, :2])
