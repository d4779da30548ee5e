"""Tables that are odd but readable: what is refused, and what is done where nothing need be."""

import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.models.bundle import Bundle
from adsrank.models.config import ModelConfig
from adsrank.training import TrainConfig, train

SMALL = TrainConfig(epochs=1, batch_size=2048, model=ModelConfig(sequence=None))


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


@pytest.mark.parametrize("value", [0, 1])
def test_a_click_label_of_one_class_is_refused(few_rows, value):
    table = with_column(few_rows, "click", pa.array([value] * len(few_rows), pa.int8()))
    if value == 0:
        table = with_column(table, "conversion", pa.array([0] * len(few_rows), pa.int8()))
    with pytest.raises(InputError, match="click") as refused:
        train(table, config=SMALL)
    assert f"{value} in all" in str(refused.value)


def test_clicks_that_begin_after_the_training_rows_are_no_clicks_to_learn_from(few_rows):
    clicks = few_rows["click"].to_numpy().copy()
    clicks[: len(clicks) * 3 // 4] = 0
    table = with_column(few_rows, "click", pa.array(clicks, pa.int8()))
    table = with_column(table, "conversion", pa.array(np.zeros(len(clicks)), pa.int8()))
    with pytest.raises(InputError, match="0 in all"):
        train(table, config=SMALL)


def test_a_column_without_a_value_is_told_and_says_nothing(few_rows):
    n = len(few_rows)
    table = few_rows
    for name, empty in (
        ("similarity", pa.nulls(n, pa.float32())),
        ("ad_age_days", pa.array([np.inf] * n, pa.float32())),
        ("country", pa.nulls(n, pa.string())),
        ("user_interests", pa.array([[]] * n, pa.list_(pa.int32()))),
    ):
        table = with_column(table, name, empty)
    trained = train(table, config=SMALL)
    assert trained.report["missing_columns"] == ["ad_age_days", "country", "similarity", "user_interests"]
    p = trained.bundle.score(table.slice(0, 50))
    assert all(np.isfinite(values).all() for values in p.values())


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int32(), 2), pa.list_(pa.int16()), pa.list_(pa.null()), pa.large_list(pa.uint8())]
)
def test_lists_of_any_make_train_and_the_bundle_is_read_back(few_rows, tmp_path, kind):
    element = [] if kind.value_type == pa.null() else [11, 12]
    lists = pa.array([element] * len(few_rows), kind)
    bundle = train(with_column(few_rows, "user_interests", lists), config=SMALL).bundle
    bundle.save(tmp_path / "b")
    assert Bundle.load(tmp_path / "b").id == bundle.id


def test_an_infinite_value_is_a_missing_one(few_rows):
    infinite, missing = (few_rows["similarity"].to_numpy().copy() for _ in range(2))
    infinite[::9], missing[::9] = np.inf, np.nan
    one, other = (
        train(with_column(few_rows, "similarity", pa.array(values, pa.float32())), config=SMALL)
        for values in (infinite, missing)
    )
    assert one.bundle.id == other.bundle.id


def test_a_day_without_conversions_trains(few_rows):
    day = few_rows["time"].cast(pa.int64()).to_numpy() // 86_400_000_000
    bought = few_rows["conversion"].to_numpy().copy()
    bought[day == np.unique(day)[3]] = 0
    trained = train(with_column(few_rows, "conversion", pa.array(bought, pa.int8())), config=SMALL)
    assert trained.report["heads"]["conversion_given_click"]["pcoc"] is not None
