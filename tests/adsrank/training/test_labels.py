import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.models.exposure import ExposureCurve
from adsrank.training.config import SplitConfig
from adsrank.training.labels import Labels, by_time
from adsrank.training.split import Split

DAY = 86_400_000_000


def table(n=400, days=14, **columns):
    base = {
        "time": pa.array(np.arange(n) * (days * DAY // n), pa.timestamp("us", tz="UTC")),
        "position": pa.array(np.full(n, 3), pa.int32()),
        "gap": pa.array(np.zeros(n), pa.int32()),
        **{name: pa.array(np.zeros(n), pa.int8()) for name in ("click", "save", "hide", "conversion")},
    }
    return pa.table({**base, **columns})


def test_a_row_is_mature_when_its_window_is_over_at_the_tables_end():
    labels = Labels.read(table(), attribution_days=3.0)
    last = labels.time.max()
    assert np.array_equal(labels.mature, labels.time <= last - 3 * DAY)
    assert Labels.read(table(), attribution_days=0.0).mature.all()


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"click": pa.array([2] * 400, pa.int8())}, "click[0]"),
        ({"click": pa.array([0] * 399 + [None], pa.int8())}, "click[399]"),
        ({"save": pa.array([0.5] * 400)}, "save"),
        ({"position": pa.array([0] * 400, pa.int32())}, "position[0]"),
        ({"gap": pa.array([-1] * 400, pa.int32())}, "gap[0]"),
        ({"time": pa.array(["2026"] * 400)}, "time"),
        ({"time": pa.array([1] * 400)}, "time"),
        ({"conversion": pa.array([0, 1] * 200, pa.int8())}, "conversion[1]"),
        ({"value_micros": pa.array([0, -1] * 200)}, "value_micros[1]"),
        ({"value_micros": pa.array([0, 10**16] * 200)}, "value_micros[1]"),
        ({"value_micros": pa.array([0.5] * 400)}, "value_micros"),
        ({"long_click": pa.array([0, None] * 200, pa.int8())}, "long_click[1]"),
    ],
)
def test_a_bad_value_is_named_with_its_row(columns, field):
    with pytest.raises(InputError) as refused:
        Labels.read(table(**columns), 3.0)
    assert refused.value.field == field


def test_a_missing_column_and_an_empty_table_are_refused():
    with pytest.raises(InputError, match="hide"):
        Labels.read(table().drop_columns(["hide"]), 3.0)
    with pytest.raises(InputError, match="no rows"):
        Labels.read(table().slice(0, 0), 3.0)


def test_rows_are_brought_into_the_order_of_time():
    plain = table()
    order = np.random.default_rng(0).permutation(len(plain))
    assert by_time(plain.take(pa.array(order))).equals(plain)


def test_train_is_before_calibrate_is_before_test():
    labels = Labels.read(table(), 3.0)
    split = Split.by_time(labels, SplitConfig())
    assert split.train[-1] + 1 == split.calibrate[0]
    assert split.calibrate[-1] + 1 == split.test[0]
    assert split.test[-1] == len(labels) - 1
    assert labels.time[split.train].max() < labels.time[split.calibrate].min()
    assert labels.time[split.calibrate].max() < labels.time[split.test].min()
    assert labels.mature[split.calibrate].all()
    assert labels.mature[split.test].any()
    report = split.to_json()
    assert [report[piece]["rows"] for piece in ("train", "calibrate", "test")] == [
        len(split.train), len(split.calibrate), len(split.test)
    ]  # fmt: skip
    assert report["train"]["from"] == "1970-01-01T00:00:00+00:00"


def test_rows_of_one_moment_are_never_divided():
    time = pa.array(np.repeat(np.arange(20), 20) * (14 * DAY // 20), pa.timestamp("us", tz="UTC"))
    labels = Labels.read(table(time=time), 0.0)
    split = Split.by_time(labels, SplitConfig(train=0.71, calibrate=0.17))
    assert split.train_end % 20 == 0
    assert split.calibrate_end % 20 == 0


def test_too_short_a_log_says_what_is_needed():
    with pytest.raises(InputError, match=r"shorter attribution window"):
        Split.by_time(Labels.read(table(days=2), 3.0), SplitConfig())
    with pytest.raises(InputError, match="needs 50 rows"):
        Split.by_time(Labels.read(table(60), 3.0), SplitConfig())


def test_exposure_is_never_zero():
    labels = Labels.read(table(), 3.0)
    assert labels.exposure(ExposureCurve(np.array([1.0, 0.0]), np.ones(4))).min() > 0


@pytest.mark.parametrize("empty", [None, 0])
def test_an_order_value_that_is_null_is_none(empty):
    values = [empty, 5_000_000] * 200
    labels = Labels.read(table(value_micros=pa.array(values, pa.int64())), 3.0)
    assert labels.order_value.tolist() == [0.0, 5e6] * 200
    assert labels.take(np.array([1, 2])).order_value.tolist() == [5e6, 0.0]
    assert not Labels.read(table(value_micros=pa.nulls(400)), 3.0).order_value.any()


def test_labels_that_the_table_lacks_are_named_when_they_are_asked_for():
    labels = Labels.read(table(), 3.0)
    assert not labels.has("long_click")
    assert labels.take(np.array([0])).long_click is None
    for head, column in (("long_click", "long_click"), ("order_value", "value_micros")):
        with pytest.raises(InputError, match=column):
            labels.of(head)
