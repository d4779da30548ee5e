from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsrank.errors import InputError
from adsrank.features.sequence import OLDEST
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import PADDING, CompiledTransform

LENGTH = 4
SPEC = FeatureSpec.model_validate(
    {
        "extra_sources": ["acted_on", "acted", "acted_s"],
        "features": [
            {"name": "actions", "source": "acted_on", "type": "list", "transform": "sequence",
             "group": "request", "table": "interest", "also": {"acted": "action"}, "age": "acted_s",
             "max_length": LENGTH, "min_count": 1},
            {"name": "ad_interest", "source": "ad_interest", "type": "integer", "transform": "vocabulary",
             "group": "ad", "table": "interest", "min_count": 1},
        ],
    }
)  # fmt: skip
ROWS = [
    [(10, 1, 90.0), (11, 2, 5.0)],
    [],
    [(10, 1, 60.0), (10, 2, 50.0), (12, 0, 40.0), (11, 1, 30.0), (0, 2, 20.0), (12, 1, 0.0)],
]


def table(rows):
    kinds = (("acted_on", pa.int32()), ("acted", pa.int8()), ("acted_s", pa.float32()))
    columns = {
        name: pa.array([[action[at] for action in row] for row in rows], pa.list_(kind))
        for at, (name, kind) in enumerate(kinds)
    }
    return pa.table({**columns, "ad_interest": pa.array([10] * len(rows), pa.int32())})


@pytest.fixture(scope="module")
def fitted():
    return CompiledTransform.fit(table(ROWS), SPEC)


def row_of(fitted, name, value):
    """The row of the stacked table that a value of a table has; None is the missing row."""
    found = 0 if value == 0 else fitted.encoders_[name].apply(np.array([value]), None)[0]
    return fitted.starts_[name] + found


def test_the_newest_action_stands_last_and_padding_in_front(fitted):
    (sequence,) = fitted.apply(table(ROWS)).request.sequences
    assert fitted.sequences_ == [(LENGTH, 2)]
    assert sequence.ids.shape == (3, LENGTH, 2)
    assert sequence.ids.dtype == np.int64
    assert sequence.age.dtype == np.float32
    for row, ids, age in zip(ROWS, sequence.ids, sequence.age, strict=True):
        kept = row[-LENGTH:]
        front = LENGTH - len(kept)
        assert (ids[:front] == PADDING).all()
        assert (age[:front] == 0).all()
        for (interest, kind, seconds), found, old in zip(kept, ids[front:], age[front:], strict=True):
            assert found.tolist() == [row_of(fitted, "interest", interest), row_of(fitted, "action", kind)]
            assert old == pytest.approx(np.log1p(seconds), abs=1e-6)


def test_an_interest_of_an_action_and_of_an_ad_share_their_row(fitted):
    batch = fitted.apply(table(ROWS))
    assert batch.ad.ids[0, 0] == batch.request.sequences[0].ids[0, -2, 0]


def test_what_training_never_saw_is_any_other_value_and_not_padding(fitted):
    (sequence,) = fitted.apply(table([[(99, 7, 1.0)]])).request.sequences
    assert sequence.ids[0, -1].tolist() == [fitted.starts_["interest"] + 1, fitted.starts_["action"] + 1]


def test_one_request_reads_the_same_as_its_row_in_a_table(fitted):
    for row in ROWS:
        flat = {
            name: np.array([action[at] for action in row])
            for at, name in enumerate(("acted_on", "acted", "acted_s"))
        }
        online = fitted.apply({**flat, "ad_interest": np.array([10, 11, 12])})
        offline = fitted.apply(table([row]))
        assert len(online.request) == 1
        assert len(online) == 3
        assert np.array_equal(online.request.sequences[0].ids, offline.request.sequences[0].ids)
        assert np.array_equal(online.request.sequences[0].age, offline.request.sequences[0].age)


def test_no_actions_at_all_are_padding_in_both_forms(fitted):
    nulls = table([[]]).to_pydict() | {name: pa.nulls(2) for name in ("acted_on", "acted", "acted_s")}
    blank = fitted.apply(pa.table({**nulls, "ad_interest": pa.array([10, 11], pa.int32())}))
    online = fitted.apply(
        {"acted_on": None, "acted": None, "acted_s": None, "ad_interest": np.array([10, 11])}
    )
    for batch in (blank, online):
        (sequence,) = batch.request.sequences
        assert not sequence.ids.any()
        assert not sequence.age.any()


@pytest.mark.parametrize(
    ("seconds", "counts_as"), [(float("nan"), OLDEST), (float("inf"), OLDEST), (1e30, OLDEST), (-5.0, 0.0)]
)
def test_an_age_that_cannot_be_has_its_stand_in(fitted, seconds, counts_as):
    columns = {"acted_on": np.array([10]), "acted": np.array([1]), "acted_s": np.array([seconds])}
    (sequence,) = fitted.apply({**columns, "ad_interest": np.array([10])}).request.sequences
    assert sequence.age[0, -1] == pytest.approx(np.log1p(counts_as), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("acted_on", None, "absent"),
        ("acted", np.array([1, 2, 3]), "as many elements a row as acted_s has"),
        ("acted", np.array([1.5, 2.5]), "list of integers"),
        ("acted_s", np.array(["a", "b"]), "list of numbers"),
    ],
)
def test_an_action_column_that_does_not_fit_is_named(fitted, name, value, message):
    columns = {
        "acted_on": np.array([10, 11]), "acted": np.array([1, 2]), "acted_s": np.array([9.0, 1.0]),
        "ad_interest": np.array([10]),
    }  # fmt: skip
    if value is None:
        del columns[name]
    else:
        columns[name] = value
    with pytest.raises(InputError, match=message) as refused:
        fitted.apply(columns)
    assert refused.value.field == name


def test_a_sequence_goes_where_its_half_goes(fitted):
    batch = fitted.apply(table(ROWS))
    rows = np.array([2, 0])
    taken = batch.take(rows).request.sequences[0]
    assert np.array_equal(taken.ids, batch.request.sequences[0].ids[rows])
    assert np.array_equal(taken.age, batch.request.sequences[0].age[rows])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 15), st.integers(0, 4), st.floats(0, 1e6, width=32)), max_size=9),
        min_size=1,
        max_size=6,
    )
)
def test_each_row_is_padded_as_if_it_stood_alone(fitted, rows):
    (together,) = fitted.apply(table(rows)).request.sequences
    for at, row in enumerate(rows):
        (alone,) = fitted.apply(table([row])).request.sequences
        assert np.array_equal(together.ids[at], alone.ids[0])
        assert np.array_equal(together.age[at], alone.age[0])
        filled = (alone.ids[0] != PADDING).all(axis=1)
        assert all(later or not earlier for earlier, later in pairwise(filled))
        assert filled.sum() == min(len(row), LENGTH)
