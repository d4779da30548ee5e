import numpy as np
import pytest

from calibration import TemperatureCalibrator


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_it_finds_the_temperature(world, truth):
    data = world(100_000, 1, bend=lambda z: z / truth, centre=0.0)
    fitted = TemperatureCalibrator().fit(data.scores, data.labels)
    assert fitted.temperature_ == pytest.approx(truth, rel=0.03)


def test_one_half_stays_one_half(world):
    data = world(1_000, 2, bend=lambda z: 0.4 * z, centre=0.0)
    assert TemperatureCalibrator().fit(data.scores, data.labels).transform([0.5])[0] == 0.5


def test_scores_that_say_nothing_leave_the_temperature_alone():
    assert TemperatureCalibrator().fit(np.full(10, 0.5), np.arange(10) % 2).temperature_ == 1.0
