import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.models.exposure import ExposureCurve
from adsrank.training.config import SplitConfig
from adsrank.training.delay import LateRule
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


def late_table(n=4000, days=14, mean_days=1.0):
    """Everyone clicks, a fifth buys, an exponential delay later; known at the table's end."""
    rng = np.random.default_rng(3)
    time = np.arange(n) * (days * DAY // n)
    delay = np.where(rng.random(n) < 0.2, rng.exponential(mean_days * 86_400, n), np.nan)
    known = np.nan_to_num(delay, nan=np.inf) * 1e6 + time <= time[-1]
    return table(
        n,
        days,
        click=pa.array(np.ones(n), pa.int8()),
        conversion=pa.array(known.astype(float), pa.int8()),
        conversion_delay_s=pa.array(delay, mask=~known),
    )


def test_a_shorter_window_takes_late_conversions_back():
    long, short = (Labels.read(late_table(), days) for days in (3.0, 0.5))
    assert 0 < short.conversion.sum() < long.conversion.sum()
    assert short.mature.sum() > long.mature.sum()
    delay = late_table()["conversion_delay_s"].fill_null(np.inf).to_numpy()
    assert np.array_equal(short.conversion > 0, delay <= 43_200)
    assert Labels.read(late_table(), 0.0).conversion.sum() >= long.conversion.sum()


def test_what_is_known_of_conversions_comes_with_their_delays():
    labels = Labels.read(late_table(), 3.0)
    seen = labels.feedback(3 * 86_400.0)
    assert np.array_equal(seen.mature, labels.mature)
    assert np.array_equal(seen.conversion, labels.conversion)
    assert np.array_equal(seen.conversion > 0, ~np.isnan(seen.delay_s))
    assert seen.elapsed_s[0] == pytest.approx(14 * 86_400, rel=1e-3)
    age = seen.elapsed_s / 86_400
    truth = np.where(age >= 3, 1.0, (1 - np.exp(-age)) / (1 - np.exp(-3)))
    for late in ("importance", "delayed_feedback"):
        assert LateRule.fit(seen, late).law.complete(seen.elapsed_s) == pytest.approx(truth, abs=0.06)


def test_a_conversion_after_the_last_row_is_not_known_yet():
    """Else the rows that have one would count as watched for longer than their neighbours."""
    found = late_table()
    delay = found["conversion_delay_s"].to_pylist()
    delay[-20:] = [7_200.0] * 20  # the last of these rows are less than two hours before the end
    bought = pa.array([int(one is not None) for one in delay], pa.int8())
    for name, values in (("conversion", bought), ("conversion_delay_s", pa.array(delay))):
        found = found.set_column(found.column_names.index(name), name, values)
    labels = Labels.read(found, 3.0)
    assert labels.conversion[-20:].all()
    seen, before = (one.feedback(3 * 86_400.0) for one in (labels, Labels.read(late_table(), 3.0)))
    assert np.array_equal(seen.elapsed_s, (labels.time[-1] - labels.time) / 1e6)
    assert seen.elapsed_s[-20:].max() < 7_200
    assert not seen.conversion[-20:].any()
    assert np.isnan(seen.delay_s[-20:]).all()
    assert np.array_equal(seen.conversion[:-20], before.conversion[:-20])


def test_a_piece_knows_the_end_of_its_table():
    whole = Labels.read(late_table(), 3.0)
    piece = Labels.read(late_table().slice(0, 1000), 3.0, int(whole.time[-1]))
    assert np.array_equal(piece.elapsed_s, whole.elapsed_s[:1000])
    assert np.array_equal(piece.mature, whole.mature[:1000])


def test_late_conversions_need_their_delays():
    blind = late_table().drop_columns(["conversion_delay_s"])
    labels = Labels.read(blind, 3.0)
    assert labels.conversion.sum() > 0
    with pytest.raises(InputError, match="conversion_delay_s"):
        labels.feedback(3 * 86_400.0)
    wrong = np.where(blind["conversion"].to_numpy() > 0, -5.0, np.nan)
    with pytest.raises(InputError, match=r"conversion_delay_s\[.*at least 0"):
        Labels.read(blind.append_column("conversion_delay_s", pa.array(wrong)), 3.0)
    with pytest.raises(InputError, match="conversion_delay_s"):
        Labels.read(blind.append_column("conversion_delay_s", pa.array(["soon"] * 4000)), 3.0)


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
        ({"time": pa.array([0] * 399 + [2**62], pa.timestamp("us"))}, "time[399]"),
        ({"time": pa.array([-(2**62)] + [0] * 399, pa.timestamp("us"))}, "time[0]"),
        ({"conversion_delay_s": pa.array([0] * 400, pa.duration("s"))}, "conversion_delay_s"),
        ({"conversion_delay_s": pa.array([[1.0]] * 400)}, "conversion_delay_s"),
        ({"long_click": pa.array([0, None] * 200, pa.int8())}, "long_click[1]"),
    ],
)
def test_a_bad_value_is_named_with_its_row(columns, field):
    with pytest.raises(InputError) as refused:
        Labels.read(table(**columns), 3.0)
    assert refused.value.field == field


def test_a_bad_value_of_a_piece_is_named_with_its_row_of_the_whole():
    for columns, field in (
        ({"click": pa.array([0] * 399 + [2], pa.int8())}, "click[1399]"),
        ({"click": pa.array([0] * 399 + [None], pa.int8())}, "click[1399]"),
        ({"conversion": pa.array([0, 1] * 200, pa.int8())}, "conversion[1001]"),
        ({"value_micros": pa.array([0, -1] * 200)}, "value_micros[1001]"),
    ):
        with pytest.raises(InputError) as refused:
            Labels.read(table(**columns), 3.0, first=1000)
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
