import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration import CalibrationError, SamplingCorrection


def test_one_half_at_a_tenth_of_the_negatives_is_one_in_eleven():
    assert SamplingCorrection(0.1).transform([0.5])[0] == pytest.approx(1.0 / 11.0, rel=1e-14)


@given(p=st.floats(1e-9, 1.0 - 1e-6), rate=st.floats(1e-4, 1.0))
def test_it_is_the_formula_and_the_inverse_undoes_it(p, rate):
    correction = SamplingCorrection(rate)
    found = correction.transform([p])
    assert found[0] == pytest.approx(p / (p + (1.0 - p) / rate), rel=1e-9)
    assert correction.inverse(found)[0] == pytest.approx(p, rel=1e-9)


def test_a_model_of_the_sample_becomes_a_model_of_all():
    rng = np.random.default_rng(0)
    labels = rng.random(400_000) < 0.01
    kept = labels | (rng.random(400_000) < 0.05)
    rate_in_sample = labels[kept].mean()
    assert SamplingCorrection(0.05).transform([rate_in_sample])[0] == pytest.approx(labels.mean(), rel=0.03)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5, float("nan")])
def test_a_rate_that_is_no_part_is_refused(rate):
    with pytest.raises(CalibrationError, match="rate"):
        SamplingCorrection(rate).transform([0.5])
