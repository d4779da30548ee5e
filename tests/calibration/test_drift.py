import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from calibration import CalibrationError, DriftCorrector, from_json, metrics


def stream(seed: int, n: int, shift):
    rng = np.random.default_rng(seed)
    scores = expit(rng.normal(-2.5, 1.0, n))
    return scores, (rng.random(n) < expit(logit(scores) + shift)).astype(float)


def test_it_starts_at_one():
    assert DriftCorrector().factor == 1.0
    assert DriftCorrector().transform([0.25])[0] == pytest.approx(0.25, rel=1e-15)


@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.5])
def test_it_finds_a_steady_shift_of_mixed_scores(shift):
    scores, labels = stream(1, 60_000, shift)
    drift = DriftCorrector(half_life=20_000)
    drift.observe(scores, labels)
    assert drift.log_factor_ == pytest.approx(shift, abs=0.08)


def test_it_follows_a_change_within_some_half_lives():
    before, after = stream(2, 40_000, -0.4), stream(3, 15_000, 0.6)
    drift = DriftCorrector(half_life=3_000)
    drift.observe(*before)
    drift.observe(*after)
    assert drift.log_factor_ == pytest.approx(0.6, abs=0.15)


def test_it_keeps_pcoc_near_one_where_an_uncorrected_model_is_off():
    shift = 0.6 * np.sin(np.arange(80_000) / 12_000.0)
    scores, labels = stream(4, 80_000, shift)
    drift = DriftCorrector(half_life=1_000, prior_precision=1.0)
    said = np.empty_like(scores)
    for first in range(0, 80_000, 500):
        rows = slice(first, first + 500)
        said[rows] = drift.transform(scores[rows])
        drift.observe(scores[rows], labels[rows])
    assert metrics.log_loss(said, labels) < metrics.log_loss(scores, labels)
    for first in range(20_000, 80_000, 20_000):
        rows = slice(first, first + 20_000)
        corrected = abs(np.log(metrics.pcoc(said[rows], labels[rows])))
        assert corrected < 0.12
    raw = [
        abs(np.log(metrics.pcoc(scores[k : k + 20_000], labels[k : k + 20_000]))) for k in (0, 20_000, 40_000)
    ]
    assert max(raw) > 0.25


@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(
        st.tuples(st.floats(0.0, 1.0), st.booleans(), st.floats(0.0, 10.0), st.floats(0.01, 1.0)),
        min_size=2,
        max_size=30,
    ),
    data=st.data(),
)
def test_events_in_one_call_or_many_give_the_same_state(events, data):
    columns = [np.array(column, dtype=float) for column in zip(*events, strict=True)]
    columns[2][[0, -1]] = 1.0  # a batch needs some weight
    cut = data.draw(st.integers(1, len(events) - 1))
    together, apart = DriftCorrector(half_life=5.0), DriftCorrector(half_life=5.0)
    together.observe(*columns)
    apart.observe(*(column[:cut] for column in columns))
    apart.observe(*(column[cut:] for column in columns))
    assert together.to_json() == apart.to_json()
    assert 0.25 <= together.factor <= 4.0


def test_transform_does_not_learn():
    drift = DriftCorrector()
    drift.observe([0.1, 0.2], [1, 0])
    state = drift.to_json()
    for _ in range(100):
        drift.transform([0.3, 0.4])
    assert drift.to_json() == state


def test_a_state_that_was_saved_goes_on_as_if_it_had_not_been():
    scores, labels = stream(5, 2_000, 0.5)
    kept = DriftCorrector(half_life=500)
    kept.observe(scores[:1_000], labels[:1_000])
    again = from_json(kept.to_json())
    kept.observe(scores[1_000:], labels[1_000:])
    again.observe(scores[1_000:], labels[1_000:])
    assert again.to_json() == kept.to_json()


def test_what_is_forgotten_returns_to_one():
    drift = DriftCorrector(half_life=100)
    drift.observe(np.full(2_000, 0.1), np.arange(2_000) % 4 == 0)
    away = drift.log_factor_
    drift.observe(np.full(5_000, 1e-9), np.zeros(5_000))  # events that say nothing
    assert away > 0.4
    assert abs(drift.log_factor_) < 0.01


def test_a_burst_of_bad_events_is_bounded_and_not_stored_up():
    drift = DriftCorrector(half_life=1_000, max_factor=2.0)
    drift.observe(np.full(20_000, 0.01), np.ones(20_000))
    assert drift.factor == pytest.approx(2.0)
    drift.observe(np.full(20_000, 0.2), np.arange(20_000) % 5 == 0)
    assert drift.factor == pytest.approx(1.0, abs=0.1)


def test_exposure_scales_what_was_to_be_expected():
    scores, labels = np.full(40_000, 0.2), np.arange(40_000) % 10 == 0
    drift = DriftCorrector(half_life=1e6)
    drift.observe(scores, labels, exposure=np.full(40_000, 0.5))
    assert drift.factor == pytest.approx(1.0, abs=0.02)


def test_fit_starts_afresh():
    drift = DriftCorrector()
    drift.observe([0.1], [1])
    assert drift.factor > 1.0
    assert drift.fit([0.1, 0.2], [0, 1]).factor == 1.0


@pytest.mark.parametrize(
    ("name", "value"), [("half_life", 0.0), ("prior_precision", 0.0), ("max_factor", 1.0)]
)
def test_a_parameter_out_of_range_is_refused(name, value):
    with pytest.raises(CalibrationError, match=name):
        DriftCorrector(**{name: value}).observe([0.1], [1])
