from itertools import pairwise

import pytest

from adsrank.training.config import ScheduleConfig
from adsrank.training.schedule import Schedule


def test_a_constant_rate_is_constant():
    schedule = Schedule(ScheduleConfig(), 100)
    assert {schedule.factor(step) for step in range(120)} == {1.0}


def test_the_rise_ends_at_one_and_cosine_falls_to_its_floor():
    schedule = Schedule(ScheduleConfig(warmup=0.1, shape="cosine", floor=0.2), 100)
    factors = [schedule.factor(step) for step in range(101)]
    assert factors[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.6)  # half of the way between 1 and the floor
    assert factors[100] == pytest.approx(0.2)
    assert all(later < earlier for earlier, later in pairwise(factors[10:]))


def test_a_linear_fall_is_a_line_and_stays_at_its_end():
    schedule = Schedule(ScheduleConfig(shape="linear"), 4)
    assert [schedule.factor(step) for step in range(6)] == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0, 0.0])
