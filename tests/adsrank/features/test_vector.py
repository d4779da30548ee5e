import json

import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform

SPEC = FeatureSpec.model_validate(
    {
        "extra_sources": ["content"],
        "features": [
            {"name": "content", "source": "content", "type": "vector", "transform": "embedding",
             "group": "ad", "size": 3},
            {"name": "age", "source": "ad_age_days", "type": "number", "transform": "number", "group": "ad",
             "cheap": True},
        ],
    }
)  # fmt: skip


def table(rows, kind=None):
    content = pa.array(rows, kind or pa.list_(pa.float32()))
    return pa.table({"content": content, "ad_age_days": np.zeros(len(rows))})


TRAINED = table([[1.0, 2.0, 3.0], None])


@pytest.fixture(scope="module")
def fitted():
    return CompiledTransform.fit(TRAINED, SPEC)


def test_floats_pass_through_after_the_numbers_and_missing_is_not_zero(fitted):
    rows = [[1.0, -2.0, 0.5], None, [], [0.0, 0.0, 0.0], [1.0, float("nan"), 2.0], [1.0, float("inf"), 2.0]]
    out = fitted.apply(table(rows)).ad.numbers
    assert fitted.width() == ((0, 0, 0), (0, 0, 2 + 4))
    assert fitted.cheap() == [0]
    gone = [0.0, 0.0, 0.0, 1.0]
    assert out[:, 2:].tolist() == [[1.0, -2.0, 0.5, 0.0], gone, gone, [0.0] * 4, gone, gone]


def test_a_flag_that_training_never_saw_stays_silent():
    fitted = CompiledTransform.fit(table([[1.0, 2.0, 3.0]]), SPEC)
    assert fitted.apply(table([None])).ad.numbers[:, 2:].tolist() == [[0.0] * 4]


def test_a_vector_that_training_never_saw_stays_silent():
    fitted = CompiledTransform.fit(table([None, None]), SPEC)
    again = CompiledTransform.from_json(json.loads(json.dumps(fitted.to_json())))
    for transform in (fitted, again):
        assert transform.apply(table([[1.0, 2.0, 3.0], None])).ad.numbers[:, 2:].tolist() == [[0.0] * 4] * 2


def test_arrays_fixed_lists_and_lists_read_the_same(fitted):
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    one = fitted.apply({"content": rows, "ad_age_days": np.zeros(2)}).ad.numbers
    fixed = table(rows.tolist(), pa.list_(pa.float32(), 3))
    assert np.array_equal(fitted.apply(fixed).ad.numbers, one)
    assert np.array_equal(fitted.apply(table(rows.tolist())).ad.numbers, one)
    shared = fitted.apply({"content": rows[0], "ad_age_days": np.zeros(2)}).ad.numbers
    assert np.array_equal(shared[:, 2:5], rows[[0, 0]])


def test_it_survives_json(fitted):
    again = CompiledTransform.from_json(json.loads(json.dumps(fitted.to_json())))
    assert np.array_equal(again.apply(TRAINED).ad.numbers, fitted.apply(TRAINED).ad.numbers)
    hostile = json.loads(json.dumps(fitted.to_json()))
    hostile["vectors"]["content"]["size"] = 4000
    with pytest.raises(InputError, match="the spec says 3"):
        CompiledTransform.from_json(hostile)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 4)), "give 3 numbers"),
        (np.array(["a", "b", "c"]), "give 3 numbers"),
        (pa.array([[1.0, 2.0], None]), "give 3 numbers a row"),
        (pa.array([["a", "b", "c"], None]), "numeric"),
    ],
)
def test_another_size_or_type_is_refused_by_name(fitted, value, message):
    columns = {"content": value, "ad_age_days": np.zeros(2)}
    with pytest.raises(InputError, match=message) as refused:
        fitted.apply(pa.table(columns) if isinstance(value, pa.Array) else columns)
    assert refused.value.field == "content"
