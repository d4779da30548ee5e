import numpy as np
import pytest

from adsrank.training.amount import evaluate_amounts
from adsrank.training.labels import Labels


def labels(values, conversion=None, mature=None):
    n = len(values)
    one, none = np.ones(n), np.zeros(n)
    return Labels(
        np.arange(n), one.astype(np.int64), none.astype(np.int64), one, none, none,
        one if conversion is None else np.array(conversion, float),
        one > 0 if mature is None else np.array(mature, bool),
        order_value=np.array(values, float),
    )  # fmt: skip


def test_amounts_are_judged_on_mature_conversions_alone():
    known = labels([10, 30, 0, 999, 999], conversion=[1, 1, 1, 0, 1], mature=[1, 1, 1, 1, 0])
    found = evaluate_amounts({"order_value": np.array([20.0, 30.0, 7.0, 7.0, 7.0])}, known)["order_value"]
    assert found["rows"] == 2
    assert found["ratio"] == pytest.approx(50 / 40)


def test_the_truth_explains_more_than_the_mean_and_the_mean_nothing():
    rng = np.random.default_rng(0)
    mean = rng.choice([1e6, 9e6], 4000)
    known = labels(np.rint(mean * rng.gamma(4.0, 0.25, 4000)) + 1)
    truth = evaluate_amounts({"order_value": mean}, known)["order_value"]
    flat = evaluate_amounts({"order_value": np.full(4000, known.order_value.mean())}, known)["order_value"]
    assert truth["deviance_explained"] > 0.5
    assert truth["ratio"] == pytest.approx(1.0, abs=0.05)
    assert flat["deviance_explained"] == pytest.approx(0.0, abs=1e-9)


def test_rows_without_a_conversion_say_nothing():
    found = evaluate_amounts({"order_value": np.ones(3)}, labels([0, 0, 0], conversion=[0, 0, 0]))
    assert found["order_value"] == {"rows": 0, "ratio": None, "deviance_explained": None}
