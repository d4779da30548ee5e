import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.training.delay import Feedback

NAN = float("nan")


def feedback(conversion=(1, 0, 0), delay=(30.0, NAN, NAN), elapsed=(50.0, 50.0, 200.0), window=100.0):
    return Feedback(*(np.array(column, float) for column in (conversion, delay, elapsed)), window)


def test_a_click_is_a_negative_only_once_its_window_is_over():
    assert feedback().mature.tolist() == [False, False, True]
    assert feedback(elapsed=(50, 50, 100)).mature.tolist() == [False, False, True]


def test_only_what_came_in_time_is_observed():
    found = Feedback.observe(np.array([5.0, 60.0, 150.0, NAN]), np.array([50.0, 50.0, 300.0, 300.0]), 100.0)
    assert found.conversion.tolist() == [1, 0, 0, 0]
    assert found.delay_s[0] == 5.0
    assert np.isnan(found.delay_s[1:]).all()


def test_a_shorter_window_takes_conversions_back_and_makes_clicks_mature():
    full = feedback(conversion=(1, 1, 0), delay=(30.0, 80.0, NAN), elapsed=(90.0, 90.0, 20.0))
    short = full.within(60.0)
    assert short.conversion.tolist() == [1, 0, 0]
    assert short.mature.tolist() == [True, True, False]
    with pytest.raises(InputError, match="at most 100"):
        full.within(101.0)


def test_what_was_known_earlier_leaves_out_what_had_not_come():
    before = feedback(conversion=(1, 1, 0), delay=(30.0, 10.0, NAN), elapsed=(50.0, 50.0, 60.0)).ago(25.0)
    assert before.conversion.tolist() == [0, 1, 0]
    assert before.elapsed_s.tolist() == [25.0, 25.0, 35.0]
    with pytest.raises(InputError, match=r"elapsed_s\[0\]"):
        feedback().ago(60.0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"delay": (-1.0, NAN, NAN)}, "delay_s[0]"),
        ({"delay": (NAN, NAN, NAN)}, "delay_s[0]"),
        ({"delay": (np.inf, NAN, NAN), "elapsed": (np.inf, 1, 1)}, "elapsed_s[0]"),
        ({"delay": (60.0, NAN, NAN)}, "delay_s[0]"),  # known before it came
        ({"delay": (120.0, NAN, NAN), "elapsed": (150.0, 1, 1)}, "delay_s[0]"),  # past the window
        ({"delay": (30.0, 5.0, NAN)}, "delay_s[1]"),  # a delay of no conversion
        ({"elapsed": (50.0, -1.0, 0.0)}, "elapsed_s[1]"),
        ({"elapsed": (50.0, 50.0, NAN)}, "elapsed_s[2]"),
        ({"conversion": (1, 0, 2)}, "conversion[2]"),
        ({"conversion": (1, 0, NAN)}, "conversion[2]"),
        ({"delay": (30.0, NAN)}, "delay_s"),
        ({"window": 0.0}, "window_s"),
        ({"window": np.inf}, "window_s"),
    ],
)
def test_a_bad_value_is_named_with_its_row(changes, field):
    with pytest.raises(InputError) as refused:
        feedback(**changes)
    assert refused.value.field == field
