import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from adsrank.errors import InputError
from adsrank.features.infer import infer
from adsrank.features.profile import SKETCH, Kind, Profile
from adsrank.features.spec import FeatureSpec
from adsrank.features.table_file import batches
from adsrank.features.transform import CompiledTransform
from serving.cli.features import app

N = 4000


def profile(*pieces):
    found = Profile("x")
    for piece in pieces:
        found.observe(pa.array(piece) if isinstance(piece, list) else piece)
    return found


def guessed(columns, **more):
    batch = pa.record_batch(columns)
    return {guess.profile.name: guess for guess in infer([batch], **more).guesses}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return {
        "row": np.arange(N) + 10**12,
        "click": rng.integers(0, 2, N),
        "shop_id": rng.integers(0, 300, N) * 1_000_003,
        "brand": rng.choice(["a", "b", "c", None], N).tolist(),
        "spent": rng.lognormal(2, 2, N),
        "warmth": rng.normal(20, 5, N),
        "visits": rng.geometric(0.02, N) ** 2,
        "colours": [rng.integers(0, 9, rng.integers(0, 6)).tolist() for _ in range(N)],
        "content": pa.FixedSizeListArray.from_arrays(rng.normal(size=4 * N), 4),
        "empty": pa.nulls(N, pa.string()),
        "always": ["x"] * N,
        "seen at": pa.array(np.arange(N), pa.timestamp("s")),
        "user_tags": rng.integers(0, 12, N),
        "flag": rng.random(N) < 0.5,
    }


def test_each_kind_of_column_gets_its_transform_and_a_reason(table):
    found = guessed(table)
    made = {name: (guess.row or {}).get("transform") for name, guess in found.items()}
    assert made == {
        "row": None, "click": None, "empty": None, "always": None, "seen at": None,
        "shop_id": "vocabulary", "brand": "vocabulary", "user_tags": "vocabulary", "flag": "vocabulary",
        "spent": "log_squash", "visits": "log_squash", "warmth": "standardize",
        "colours": "multi_hot", "content": "embedding",
    }  # fmt: skip
    assert found["row"].reasons[0].startswith("4,000 distinct in 4,000")
    assert any("25." in why or "24." in why for why in found["brand"].reasons)
    assert found["content"].row["size"] == 4
    assert found["user_tags"].row["group"] == "request"
    assert found["shop_id"].row["group"] == "ad"


def test_what_is_inferred_can_be_edited_read_and_trained_with(table, tmp_path):
    batch = pa.record_batch(table)
    found = infer([batch])
    text = found.yaml()
    assert "# left out: always: one value in all rows" in text
    spec = FeatureSpec.model_validate(yaml.safe_load(text))
    assert spec.hash == found.spec().hash
    fitted = CompiledTransform.fit(pa.Table.from_batches([batch]), spec)
    made = fitted.apply(pa.Table.from_batches([batch]))
    assert len(made) == N
    assert np.isfinite(made.numbers).all()


def test_ids_that_a_missing_value_turned_into_floats_are_pointed_out(table):
    floats = pa.array([float(value) for value in table["shop_id"]])
    found = guessed({**table, "shop_id": floats})
    assert any("if they are ids" in reason for reason in found["shop_id"].reasons)
    assert not any("if they are ids" in reason for reason in found["warmth"].reasons)


def test_nan_is_a_missing_value_and_no_value_of_its_own(table):
    flag = pa.array([(0.0, 1.0, float("nan"))[number % 3] for number in range(N)])
    found = guessed({**table, "flag": flag})["flag"]
    assert (found.profile.distinct, found.row["transform"]) == (2, "number")


@pytest.mark.parametrize("label", ["long_click", "is_attributed"])
def test_a_label_of_a_usual_name_is_left_out_unasked(table, label):
    assert guessed(table | {label: table["click"]})[label].row is None


def test_a_declared_label_is_left_out_and_an_unknown_one_refused(table):
    assert guessed(table, labels=["spent"])["spent"].row is None
    with pytest.raises(InputError, match="bought"):
        guessed(table, labels=["bought"])


def test_names_are_made_legal_and_kept_apart():
    columns = {"Price (EUR)": [1.5, 2.5, 9.0], "price__eur": [1.5, 2.5, 7.0], "2nd": ["a", "b", "a"]}
    found = guessed(columns)
    names = [guess.row["name"] for guess in found.values()]
    assert names == ["price__eur", "price__eur_2", "c_2nd"]
    assert found["Price (EUR)"].row["source"] == "Price (EUR)"
    infer([pa.record_batch(columns)]).yaml()


def test_many_values_are_hashed_and_their_number_is_estimated():
    numbers = np.repeat(np.arange(150_000), 2)
    found = guessed({"thing": [f"t{number}" for number in numbers], "shop_id": np.arange(len(numbers)) % 7})
    row = found["thing"].row
    assert row["transform"] == "hash"
    assert row["buckets"] == 2**19
    assert found["thing"].profile.distinct == pytest.approx(150_000, rel=0.06)


def test_the_last_actions_are_one_sequence(planted):
    found = {g.profile.name: g for g in infer(planted.table.slice(0, 2000).to_batches()).guesses}
    assert found["action_interest"].row["transform"] == "sequence"
    assert {name for name in found if name.startswith("action_") and found[name].row} == {"action_interest"}
    assert found["position"].row is None
    infer(planted.table.slice(0, 2000).to_batches()).yaml()


def test_a_profile_does_not_depend_on_how_the_table_is_cut():
    rng = np.random.default_rng(1)
    values = rng.lognormal(size=40_000)
    whole = profile(pa.array(values))
    cut = profile(*(pa.array(part) for part in np.array_split(values, 7)))
    assert whole.distinct == cut.distinct
    assert whole.skew == pytest.approx(cut.skew)
    assert whole.quantile(0.9) == cut.quantile(0.9)
    assert whole.quantile(0.5) == pytest.approx(np.quantile(values, 0.5), rel=0.05)


def test_distinct_values_are_exact_below_the_sketch():
    assert profile(pa.array(np.arange(SKETCH - 1))).distinct == SKETCH - 1
    assert profile([1, 2, None], [2, 3]).distinct == 3


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([["1", "2"], ["3", None]], Kind.INTEGER),
        ([["1", "2"], ["3.5"]], Kind.NUMBER),
        ([["1", "2"], ["x"]], Kind.STRING),
        ([["007", "012"]], Kind.STRING),
        ([["11255110858913963181", "1"]], Kind.STRING),
        ([["1e3", "inf"]], Kind.NUMBER),
        ([["2026-01-02", "2026-01-03"]], Kind.TIME),
        ([["2026-01-02"], ["soon"]], Kind.STRING),
        ([[True, False]], Kind.BOOLEAN),
        ([[{"a": 1}]], Kind.OTHER),
    ],
)
def test_text_is_what_all_of_it_can_be_read_as(pieces, kind):
    assert profile(*pieces).kind is kind


def test_lists_written_as_text_are_told_from_long_ids():
    ids = ["11255110858913963181", "11255110858913963182", "3"]
    found = guessed({"tags": ["7|4|4", "12", "9|1"], "id": ids})
    assert "lists written as text" in found["tags"].reasons[0]
    assert found["id"].row["transform"] == "vocabulary"


def test_infinite_numbers_are_missing():
    found = profile([1.0, float("inf"), float("nan"), None, 2.0], ["1", "inf"][:0])
    assert (found.rows, found.missing) == (5, 3)
    text = profile(["1.5", "-inf", "2.5"])
    assert (text.missing, text.quantile(1.0)) == (1, 2.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no text"),
        (b"a,b\n1,2,3\n", "Expected 2 columns"),
        (b"a,a\n1,2\n", "a name of its own"),
        (b"1,2\n3,4\n", "say --no-header"),
        (b"a\x00b,c\n1,2\n", "no text"),
        (b"caf\xff,b\n1,2\n", "invalid start byte|utf-8"),
        (b"a,b\n", "Empty|rows"),
        (b"PAR1 and then nothing", "whole CSV or Parquet"),
        (b"a,b\n1," + b"x" * (9 * 2**20) + b"\n2,3\n", "straddl"),
        (",".join(f"c{n}" for n in range(3000)).encode() + b"\n", "1 to 2000"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_bytes(text)
    with pytest.raises(InputError, match=message):
        infer(batches(path))


def test_a_parquet_column_may_be_called_by_a_number(tmp_path):
    pq.write_table(pa.table({"7": ["x", "y"] * 20}), tmp_path / "t.parquet")
    assert infer(batches(tmp_path / "t.parquet")).guesses[0].profile.name == "7"


def test_a_header_over_two_lines_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text('"a\nb",c\n1,2\n')
    with pytest.raises(InputError, match="close the quote"):
        infer(batches(tmp_path / "t.csv"))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    offsets = pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes())
    words = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"word": words}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet.*UTF8"):
        infer(batches(tmp_path / "t.parquet"))


def test_a_cut_off_archive_and_an_absent_file_are_refused(tmp_path):
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 10_000)
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.csv\.gz"):
        infer(batches(tmp_path / "cut.csv.gz"))
    with pytest.raises(InputError, match="no such file"):
        infer(batches(tmp_path / "none.csv"))


def test_the_command_writes_a_table_once_and_prints_it_otherwise(tmp_path, capsys, table):
    source, out = tmp_path / "table.parquet", tmp_path / "features.yaml"
    pq.write_table(pa.table(table), source)
    app(["infer", str(source), "--out", str(out)], standalone_mode=False)
    assert "features of 14 columns" in capsys.readouterr().out
    assert FeatureSpec.load(out).features
    with pytest.raises(InputError, match="exists already"):
        app(["infer", str(source), "--out", str(out)], standalone_mode=False)
    app(["infer", str(source)], standalone_mode=False)
    assert yaml.safe_load(capsys.readouterr().out)["features"]


@pytest.mark.parametrize(
    ("name", "options", "rows", "columns"),
    [
        ("criteo_train_8000.tsv.gz", ["--no-header", "--label", "c1"], 8_000, 39),
        ("avazu_train_9000.csv.gz", [], 8_999, 21),
        ("taobao_ads_9999.csv.gz", [], 9_999, 16),
    ],
)
def test_the_heads_of_real_logs_are_understood(shared_ctr, capsys, name, options, rows, columns):
    app(["infer", str(shared_ctr / name), *options, "--json"], standalone_mode=False)
    found = yaml.safe_load(capsys.readouterr().out)
    kept = {each["column"]: each for each in found["columns"] if each["row"]}
    assert found["rows"] == rows
    assert len(kept) == columns
    if name.startswith("criteo"):
        assert all(kept[f"c{n}"]["row"]["type"] == "string" for n in range(15, 41))
        assert sum(kept[f"c{n}"]["row"]["type"] == "number" for n in range(2, 15)) >= 10
    if name.startswith("avazu"):
        left = {each["column"]: each["reasons"][0] for each in found["columns"] if not each["row"]}
        assert left.keys() == {"id", "click", "hour"}
        assert "names the row" in left["id"]
    if name.startswith("taobao"):
        assert kept["price"]["row"]["transform"] == "log_squash"
        assert kept["adgroup_id"]["row"]["group"] == "ad"
        assert not {"clk", "nonclk", "time_stamp", "tag_brand_list"} & kept.keys()


@pytest.fixture
def shared_ctr():
    from pathlib import Path

    folder = Path(__file__).parents[3] / ".." / "shared" / "data" / "ctr"
    if not folder.is_dir():
        pytest.skip("the click logs are not beside the checkout (../shared/data/ctr)")
    return folder
