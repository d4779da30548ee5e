import numpy as np
import pytest
from scipy.special import expit, logit

from calibration import (
    CalibrationError,
    Chain,
    DriftCorrector,
    IsotonicCalibrator,
    PlattCalibrator,
    SamplingCorrection,
    SegmentCalibrator,
    from_json,
    metrics,
)


def test_each_step_is_fitted_on_what_the_one_before_says(world):
    data = world(5_000, 1, bend=lambda z: 0.8 * z)
    sampled = SamplingCorrection(0.1).inverse(data.scores)
    chain = Chain([SamplingCorrection(0.1), PlattCalibrator()]).fit(sampled, data.labels)
    alone = PlattCalibrator().fit(data.scores, data.labels)
    assert chain.transform(sampled) == pytest.approx(alone.transform(data.scores), rel=1e-9)


def test_the_whole_chain_recovers_the_truth(world):
    rng = np.random.default_rng(2)
    surface = rng.choice(["home", "related", "search"], 90_000)
    shift = np.select([surface == "home", surface == "related"], [-0.5, 0.0], 0.5)
    data = world(90_000, 3, bend=lambda z: 0.8 * z + shift)
    sampled = SamplingCorrection(0.05).inverse(data.scores)
    chain = Chain([SamplingCorrection(0.05), IsotonicCalibrator(), SegmentCalibrator("surface")])
    found = chain.fit(sampled, data.labels, segment={"surface": surface}).transform(
        sampled, segment={"surface": surface}
    )
    assert np.abs(logit(found) - logit(data.truth)).mean() < 0.12
    assert metrics.pcoc(found, data.labels) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "steps",
    [
        [SamplingCorrection(0.1), SamplingCorrection(0.1)],
        [PlattCalibrator(), SamplingCorrection(0.1)],
        [Chain([SamplingCorrection(0.1)]), SamplingCorrection(0.1)],
        [PlattCalibrator(), Chain([SamplingCorrection(0.1)])],
    ],
)
def test_a_sampling_correction_is_applied_once_and_first(steps):
    with pytest.raises(CalibrationError, match="once and first"):
        Chain(steps).fit([0.1, 0.2], [0, 1])


def test_a_document_with_two_sampling_corrections_is_refused():
    document = Chain([SamplingCorrection(0.1)]).fit([0.1, 0.2], [0, 1]).to_json()
    document["state"]["steps"] *= 2
    with pytest.raises(CalibrationError, match="once and first"):
        from_json(document)


@pytest.mark.parametrize("steps", [[], [1.0], "platt", None])
def test_what_is_no_list_of_calibrators_is_refused(steps):
    with pytest.raises(CalibrationError, match="steps"):
        Chain(steps).fit([0.1, 0.2], [0, 1])


def test_fitting_a_chain_leaves_the_given_steps_unfitted(world):
    data = world(500, 4)
    step = PlattCalibrator()
    chain = Chain([step]).fit(data.scores, data.labels)
    assert not hasattr(step, "slope_")
    assert chain.steps_[0].slope_ > 0.0


def test_drift_in_a_chain_sees_what_the_steps_before_it_say():
    rng = np.random.default_rng(5)
    scores = expit(rng.normal(-2.0, 1.0, 4_000))
    fit_labels = rng.random(4_000) < expit(logit(scores) - 0.5)
    later = rng.random(4_000) < expit(logit(scores) - 0.5 + 0.4)
    chain = Chain([PlattCalibrator(), DriftCorrector(half_life=1e6, prior_precision=1.0)])
    chain.fit(scores, fit_labels)
    alone = DriftCorrector(half_life=1e6, prior_precision=1.0)
    alone.observe(chain.transform(scores), later)
    chain.observe(scores, later)
    assert chain.steps_[1].log_factor_ == pytest.approx(alone.log_factor_, abs=1e-9)
    assert chain.steps_[1].log_factor_ == pytest.approx(0.4, abs=0.15)
    assert metrics.pcoc(chain.transform(scores), later) == pytest.approx(1.0, abs=0.02)


def test_a_chain_without_drift_has_nothing_to_observe():
    chain = Chain([PlattCalibrator()]).fit([0.1, 0.2], [0, 1])
    with pytest.raises(CalibrationError, match="DriftCorrector"):
        chain.observe([0.1], [1])


def test_a_chain_asks_for_the_segments_of_its_steps():
    chain = Chain([SegmentCalibrator("surface"), Chain([SegmentCalibrator("advertiser")]), PlattCalibrator()])
    assert chain.segment_keys() == ("surface", "advertiser")


def test_chains_nested_too_deep_are_refused():
    chain = Chain([PlattCalibrator()])
    document = chain.clone().fit([0.1, 0.2], [0, 1]).to_json()
    for _ in range(5):
        chain = Chain([chain])
        document = {"kind": "chain", "version": 1, "params": {}, "state": {"steps": [document]}}
    with pytest.raises(CalibrationError, match="too deep"):
        from_json(document)
    with pytest.raises(CalibrationError, match="too deep"):
        chain.fit([0.1, 0.2], [0, 1])
