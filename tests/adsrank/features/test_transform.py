import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsrank.errors import InputError
from adsrank.features.examples import CONTEXT
from adsrank.features.spec import FeatureSpec
from adsrank.features.summary import summaries
from adsrank.features.transform import PADDING, CompiledTransform
from tests.adsrank.with_actions import WITH_ACTIONS

EXAMPLE = Path(__file__).resolve().parents[3] / "configs" / "features.yaml"


def spec(*rows):
    return FeatureSpec.model_validate({"features": list(rows)})


def row(name, source, kind, transform, group="ad", **more):
    return {"name": name, "source": source, "type": kind, "transform": transform, "group": group, **more}


def test_a_vocabulary_knows_missing_unknown_and_frequent_values_apart():
    table = pa.table({"ad_id": pa.array([5, 5, 5, 9, 9, 7, None])})
    fitted = CompiledTransform.fit(table, spec(row("ad", "ad_id", "integer", "vocabulary")))
    start = fitted.starts_["ad"]
    ids = fitted.apply(pa.table({"ad_id": pa.array([5, 9, 7, 123, None])})).ids[:, 0] - start
    assert ids.tolist() == [2, 3, 1, 1, 0]  # 7 was seen once only


def test_strings_are_ordered_by_frequency_then_alphabet_whatever_the_order_of_rows():
    words = ["b", "a", "c", "c", "b", "a", "z"]
    rows = spec(row("format", "format", "string", "vocabulary"))
    for order in (words, words[::-1]):
        fitted = CompiledTransform.fit(pa.table({"format": order}), rows)
        assert fitted.encoders_["format"].values_ == ["a", "b", "c"]


def test_missing_is_not_zero():
    numbers = spec(row("age", "ad_age_days", "number", "standardize"))
    fitted = CompiledTransform.fit(pa.table({"ad_age_days": [0.0, 2.0, None]}), numbers)
    out = fitted.apply(pa.table({"ad_age_days": pa.array([0.0, None, float("nan")])})).ad.numbers
    assert out.tolist() == [[-1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]


def test_a_flag_that_training_never_saw_stays_silent_in_serving():
    numbers = spec(row("age", "ad_age_days", "number", "standardize"))
    fitted = CompiledTransform.fit(pa.table({"ad_age_days": [0.0, 2.0]}), numbers)
    assert fitted.apply({"ad_age_days": np.array([np.nan])}).ad.numbers.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("transform", ["standardize", "log_squash", "number"])
@pytest.mark.parametrize("trained", [[None, None], [3.0, 3.0]])
def test_a_number_that_did_not_vary_in_training_stays_silent_in_serving(transform, trained):
    fitted = CompiledTransform.fit(
        pa.table({"ad_age_days": pa.array(trained, pa.float64())}),
        spec(row("age", "ad_age_days", "number", transform)),
    )
    served = fitted.apply({"ad_age_days": np.array([3.0, 50.0, -1e9, np.nan])}).ad.numbers
    assert served.tolist() == [[0.0, 0.0]] * 4


def test_numbers_of_any_size_have_a_scale():
    numbers = spec(row("age", "ad_age_days", "number", "standardize"))
    for values in ([1e308, -1e308, 1e308, 5.0], [2**63 - 1, -(2**63), 0, 7]):
        table = pa.table({"ad_age_days": values})
        fitted = CompiledTransform.fit(table, numbers)
        assert np.isfinite([fitted.scales_["age"].mean, fitted.scales_["age"].deviation]).all()
        assert len(set(fitted.apply(table).ad.numbers[:3, 0].tolist())) >= 2


def test_a_column_of_lists_without_an_element_is_missing():
    lists = spec(row("tags", "user_interests", "list", "multi_hot"))
    for empty in (pa.array([[], []]), pa.array([[], None]), pa.nulls(2)):
        fitted = CompiledTransform.fit(pa.table({"user_interests": empty}), lists)
        bag = fitted.apply(pa.table({"user_interests": empty})).ad.lists[0]
        assert bag.tolist() == [[fitted.starts_["tags"]]] * 2


@pytest.mark.parametrize("transform", ["vocabulary", "hash"])
def test_bytes_that_are_no_text_are_refused_by_column(transform):
    offsets = pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes())
    table = pa.table(
        {"format": pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfe")])}
    )
    with pytest.raises(InputError, match="format: 'no text'"):
        CompiledTransform.fit(table, spec(row("f", "format", "string", transform)))


def test_wild_and_infinite_numbers_cannot_carry_a_score():
    numbers = spec(row("age", "ad_age_days", "number", "log_squash"))
    fitted = CompiledTransform.fit(pa.table({"ad_age_days": [1.0, 2.0, 3.0]}), numbers)
    out = fitted.apply({"ad_age_days": np.array([1e300, -np.inf])}).ad.numbers
    assert out[0, 0] == 8.0
    assert out[1, 0] == 0.0


def test_buckets_are_quantiles_and_missing_has_its_own():
    fitted = CompiledTransform.fit(
        pa.table({"similarity": np.arange(100.0)}),
        spec(row("s", "similarity", "number", "buckets", buckets=4)),
    )
    ids = fitted.apply({"similarity": np.array([-5.0, 0, 24, 25, 60, 99, 1e9, np.nan])}).ids[:, 0]
    assert (ids - fitted.starts_["s"]).tolist() == [1, 1, 1, 2, 3, 4, 4, 0]


def test_hashing_is_the_same_for_ever_and_counts_its_collisions():
    hashed = spec(row("u", "user_id", "string", "hash", buckets=50))
    words = [f"u{number}" for number in range(200)]
    fitted = CompiledTransform.fit(pa.table({"user_id": words}), hashed)
    ids = fitted.apply(pa.table({"user_id": [*words, None]})).ids[:, 0] - fitted.starts_["u"]
    assert ids[:3].tolist() == [38, 31, 15]  # golden: Python's salted hash would differ a run
    assert ids[-1] == 0
    assert ids[:-1].min() >= 1
    assert [each.collisions for each in summaries(fitted)] == [200 - len(set(ids[:-1].tolist()))]
    numbers = CompiledTransform.fit(
        pa.table({"ad_id": np.arange(1000)}), spec(row("a", "ad_id", "integer", "hash", buckets=64))
    )
    assert [each.collisions for each in summaries(numbers)] == [1000 - 64]


def test_a_list_keeps_its_newest_and_an_empty_one_is_missing():
    rows = [
        row("recent", "recent_interests", "list", "multi_hot", "request", min_count=1, max_length=2),
        row("ad", "ad_id", "integer", "vocabulary", min_count=1),
    ]
    table = pa.table(
        {
            "recent_interests": pa.array([[1, 2, 3], [], None, [2]], pa.list_(pa.int32())),
            "ad_id": [1, 1, 1, 1],
        }
    )
    fitted = CompiledTransform.fit(table, spec(*rows))
    bag = fitted.apply(table).request.lists[0]
    start = fitted.starts_["recent"]
    of = {value: start + 2 + at for at, value in enumerate(fitted.encoders_["recent"].values_)}
    assert bag.tolist() == [[of[2], of[3]], [start, PADDING], [start, PADDING], [of[2], PADDING]]


def test_rows_of_one_table_share_their_ids():
    rows = [
        row("mine", "user_interests", "list", "multi_hot", "request", table="interest", min_count=1),
        row("its", "ad_interest", "integer", "vocabulary", table="interest", min_count=1),
    ]
    table = pa.table({"user_interests": [[4, 8]], "ad_interest": [8]})
    batch = CompiledTransform.fit(table, spec(*rows)).apply(table)
    assert batch.ad.ids[0, 0] in batch.request.lists[0][0]


def test_a_share_is_the_part_of_the_list_that_equals_the_ads_value():
    rows = [
        row("s", "recent_interests", "list", "share", "match", other="ad_interest"),
        row("ad", "ad_id", "integer", "vocabulary"),
    ]
    table = pa.table(
        {
            "recent_interests": pa.array([[1, 1, 2], [3], [], None], pa.list_(pa.int32())),
            "ad_interest": [1, 1, 1, 1],
            "ad_id": [1, 2, 3, 4],
        }
    )
    fitted = CompiledTransform.fit(table, spec(*rows))
    numbers = fitted.apply(table).ad.numbers
    scale = fitted.scales_["s"]
    shares = numbers[:2, 0] * scale.deviation + scale.mean
    assert shares == pytest.approx([2 / 3, 0.0], abs=1e-6)
    assert numbers[:, 1].tolist() == [0, 0, 1, 1]
    one = fitted.apply(
        {"recent_interests": [1, 1, 2], "ad_interest": np.array([1, 2, 9]), "ad_id": np.arange(3)}
    )
    assert one.ad.numbers[:, 0] * scale.deviation + scale.mean == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-6)


def test_serving_and_training_give_the_same_features_for_the_same_rows(planted):
    table = planted.table.slice(0, 4000)
    fitted = CompiledTransform.fit(table, WITH_ACTIONS)
    rows = table.slice(40, 4)  # one request
    of_request = {field.name for field in CONTEXT}
    offline = fitted.apply(rows)
    online = fitted.apply(
        {
            name: rows[name][0].as_py() if name in of_request else rows[name].to_numpy()
            for name in fitted.sources
        }
    )
    assert len(online.request) == 1
    assert np.array_equal(online.ids, offline.ids)
    assert np.array_equal(online.numbers, offline.numbers)
    for one, many in zip(online.request.lists, offline.request.lists, strict=True):
        assert np.array_equal(np.repeat(one, 4, axis=0), many)
    (one,), (many,) = online.request.sequences, offline.request.sequences
    assert one.ids.any()
    assert np.array_equal(np.repeat(one.ids, 4, axis=0), many.ids)
    assert np.array_equal(np.repeat(one.age, 4, axis=0), many.age)


def test_a_transform_survives_json_to_the_bit(planted):
    fitted = CompiledTransform.fit(planted.table.slice(0, 4000), WITH_ACTIONS)
    again = CompiledTransform.from_json(json.loads(json.dumps(fitted.to_json())))
    rows = planted.table.slice(3000, 3000)
    one, other = fitted.apply(rows), again.apply(rows)
    assert np.array_equal(one.ids, other.ids)
    assert np.array_equal(one.numbers, other.numbers)
    assert again.to_json() == fitted.to_json()


def test_a_document_of_the_first_version_is_still_read(planted):
    fitted = CompiledTransform.fit(planted.table.slice(0, 4000), WITH_ACTIONS)
    old = json.loads(json.dumps(fitted.to_json())) | {"version": 1}
    del old["vectors"]
    for encoder in old["encoders"].values():
        del encoder["seen"]
    again = CompiledTransform.from_json(old)
    rows = planted.table.slice(3000, 3000)
    assert np.array_equal(again.apply(rows).ids, fitted.apply(rows).ids)
    assert again.encoders_["ad_id"].seen_ is None


def test_unseen_categories_and_all_null_columns_are_features_like_others(planted):
    table = planted.table.slice(0, 2000)
    nulls = {name: pa.nulls(len(table), table.schema.field(name).type) for name in table.column_names}
    fitted = CompiledTransform.fit(table, WITH_ACTIONS)
    blank = fitted.apply(pa.table(nulls))
    assert np.isfinite(blank.numbers).all()
    assert len(np.unique(blank.ids, axis=0)) == 1
    born_blank = CompiledTransform.fit(pa.table(nulls), WITH_ACTIONS).apply(table)
    assert np.isfinite(born_blank.numbers).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ad_id", None, "absent"),
        ("ad_id", np.array([1.0, 2.0]), "ids are never floats"),
        ("format", np.array([1, 2]), "give a string column"),
        ("similarity", np.array(["a", "b"]), "give a numeric column"),
        ("ad_age_days", np.zeros(3), "give 2 values"),
        ("user_interests", [0.5], "list of integers"),
        ("action_type", [1, 2], "as many elements a row as action_age_s has"),
    ],
)
def test_a_column_that_cannot_be_used_is_named(planted, name, value, message):
    fitted = CompiledTransform.fit(planted.table.slice(0, 2000), WITH_ACTIONS)
    columns = {
        "surface": "home", "country": "US", "device": "phone", "hour": 3, "weekday": 1,
        "user_interests": [10], "recent_interests": [], "action_interest": [11], "action_type": [1],
        "action_age_s": [60.0],
        "ad_id": np.array([1000, 1001]), "campaign_id": np.array([100, 100]),
        "advertiser_id": np.array([10, 10]),
        "ad_interest": np.array([10, 11]), "format": np.array(["image", "video"]),
        "objective": np.array(["AWARENESS", "AWARENESS"]), "ad_age_days": np.zeros(2),
        "similarity": np.zeros(2), "similarity_mean": np.zeros(2), "interest_match": np.zeros(2),
    }  # fmt: skip
    assert len(fitted.apply(columns)) == 2
    if value is None:
        del columns[name]
    else:
        columns[name] = value
    with pytest.raises(InputError, match=message) as refused:
        fitted.apply(columns)
    assert refused.value.field == name


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 3),
        (("encoders", "ad_id", "seen"), {"values": -1, "distinct": 0, "own": 0}),
        (("spec", "features"), []),
        (("encoders", "ad_id"), None),
        (("encoders", "ad_id", "kind"), "strings"),
        (("encoders", "ad_id", "values"), [1, 1]),
        (("encoders", "ad_id", "values"), [2**70]),
        (("encoders", "ad_id", "values"), [1.5]),
        (("encoders", "format", "values"), [1]),
        (("encoders", "format", "values"), ["x" * 5000]),
        (("scales", "similarity", "mean"), float("nan")),
        (("scales", "similarity", "deviation"), 0.0),
        (("scales", "similarity", "missing_seen"), 1),
    ],
)
def test_a_hostile_transform_is_refused_by_field(planted, path, value):
    data = json.loads(json.dumps(CompiledTransform.fit(planted.table.slice(0, 500), WITH_ACTIONS).to_json()))
    part = data
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(InputError) as refused:
        CompiledTransform.from_json(data)
    assert path[0] in refused.value.field


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30),
)
def test_any_integers_map_to_rows_of_their_table(known, asked):
    fitted = CompiledTransform.fit(
        pa.table({"ad_id": pa.array(known, pa.int64())}),
        spec(row("ad", "ad_id", "integer", "vocabulary", min_count=1)),
    )
    ids = fitted.apply(pa.table({"ad_id": pa.array(asked, pa.int64())})).ids[:, 0] - fitted.starts_["ad"]
    kept = [value for value in known if value is not None]
    for value, found in zip(asked, ids, strict=True):
        assert (found == 0) == (value is None)
        assert (found == 1) == (value is not None and value not in kept)
        if found > 1:
            assert fitted.encoders_["ad"].values_[found - 2] == value


def test_the_surface_of_a_row_can_be_read_off_its_ids():
    rows = spec(
        row("hour", "hour", "integer", "vocabulary", "request", min_count=1),
        row("surface", "surface", "string", "vocabulary", "request", min_count=1),
        row("ad", "ad_id", "integer", "vocabulary"),
    )
    table = pa.table({"hour": [1, 2, 3], "surface": ["home", "search", "home"], "ad_id": [1, 2, 3]})
    fitted = CompiledTransform.fit(table, rows)
    assert fitted.surface_column_ == 1
    assert fitted.surfaces_ == ("home", "search")
    asked = pa.table({"hour": [1] * 4, "surface": ["search", "home", "moon", None], "ad_id": [1] * 4})
    ids = fitted.apply(asked).request.ids[:, fitted.surface_column_]
    assert np.maximum(ids - fitted.surface_base_, 0).tolist() == [2, 1, 0, 0]


def test_a_table_without_surfaces_has_no_surface_column():
    for rows in (
        spec(row("ad", "ad_id", "integer", "vocabulary")),
        spec(
            row("surface", "surface", "string", "hash", "request", buckets=8),
            row("ad", "ad_id", "integer", "vocabulary"),
        ),
    ):
        fitted = CompiledTransform.fit(pa.table({"surface": ["home"], "ad_id": [1]}), rows)
        assert (fitted.surface_column_, fitted.surfaces_, fitted.surface_base_) == (None, (), 0)


def test_the_example_of_a_feature_table_compiles_on_a_training_table(planted):
    table = planted.table.slice(0, 2000)
    fitted = CompiledTransform.fit(table, FeatureSpec.load(EXAMPLE))
    batch = fitted.apply(table)
    assert len(batch) == 2000
    assert fitted.sequences_ == [(100, 2)]
    assert set(fitted.surfaces_) == {"home", "search"}


@pytest.mark.parametrize("value", [2**63, np.array([2**63, 1], np.uint64), [2**63]])
def test_an_id_that_int64_does_not_hold_is_refused_by_name(value):
    table = pa.table({"ad_id": pa.array([5, 5, 9])})
    fitted = CompiledTransform.fit(table, spec(row("ad", "ad_id", "integer", "vocabulary", min_count=1)))
    with pytest.raises(InputError, match="ad_id"):
        fitted.apply({"ad_id": value})
