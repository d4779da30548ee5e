import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy as tensors_file

from adsrank.errors import BundleError, InputError
from adsrank.models import folder
from adsrank.models.admission import Admission
from adsrank.models.bundle import Bundle
from adsrank.models.manifest import LIMITS, Manifest
from adsrank.training import TrainConfig, train
from tests.adsrank.models.acting import acting


@pytest.fixture(scope="session")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "one"
    trained.bundle.save(path)
    return path


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def test_a_saved_bundle_is_the_same_bundle(trained, saved, planted):
    loaded, rows = Bundle.load(saved), planted.table.slice(100, 300)
    assert loaded.id == trained.bundle.id
    assert loaded.exposure == trained.bundle.exposure
    assert loaded.embedding_space == "builtin-v1"
    assert loaded.heads == ("click", "conversion_given_click", "save", "hide")
    one, other = trained.bundle.score(rows), loaded.score(rows)
    for head in loaded.heads:
        assert np.array_equal(one[head], other[head])
    before, after = trained.bundle.calibrate(one), loaded.calibrate(other)
    for name in before:
        assert np.array_equal(before[name], after[name])
    assert np.array_equal(trained.bundle.prerank(rows), loaded.prerank(rows))


def test_a_bundle_that_reads_actions_is_the_same_bundle_too(few_rows, tmp_path):
    table, spec = acting(few_rows)
    towers = {"kind": "two_tower", "rows": 2000, "towers": {"dim": 8, "epochs": 1}}
    bundle = train(table, spec, TrainConfig(epochs=1, first_stage=towers)).bundle
    assert bundle.manifest.first_stage == "two_tower"
    bundle.save(tmp_path / "one")
    loaded = Bundle.load(tmp_path / "one", Admission(allow_miscalibrated=True))
    assert {"acts", "ages"} <= set(loaded.sample.columns.column_names)
    rows = table.slice(100, 300)
    assert np.array_equal(bundle.score(rows)["click"], loaded.score(rows)["click"])
    assert np.array_equal(bundle.prerank(rows), loaded.prerank(rows))


def test_calibrated_probabilities_are_five_and_keep_the_models_order(trained, planted):
    raw = trained.bundle.score(planted.table.slice(0, 3000))
    found = trained.bundle.calibrate(raw)
    assert list(found) == [
        "p_click", "p_conversion_given_click", "p_save", "p_hide", "p_click_conversion"
    ]  # fmt: skip
    for head in raw:
        order = np.argsort(raw[head])
        apart = np.diff(raw[head][order]) > 1e-9
        assert np.all(np.diff(found[f"p_{head}"][order])[apart] > 0)
    for p in found.values():
        assert p.dtype == np.float64
        assert p.min() >= 1e-7
        assert p.max() <= 1 - 1e-7


def test_one_request_and_its_prepared_features_score_alike(trained, planted):
    rows = planted.table.slice(0, 4)
    batch = trained.bundle.prepare(rows)
    assert np.array_equal(trained.bundle.score(batch)["click"], trained.bundle.score(rows)["click"])
    with pytest.raises(InputError, match="similarity"):
        trained.bundle.score(rows.drop_columns(["similarity"]))


def test_a_bundle_never_overwrites(trained, saved):
    with pytest.raises(BundleError, match="exists already"):
        trained.bundle.save(saved)


def test_a_failed_save_leaves_nothing_behind(trained, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "fsync", fail)
    with pytest.raises(BundleError, match="No space left"):
        trained.bundle.save(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def rewrite(path, change):
    """A hostile author: change a file, then make manifest and hashes agree with it."""
    manifest = json.loads((path / "manifest.json").read_text())
    manifest.pop("id")
    change(path, manifest)
    for name in LIMITS:
        if (path / name).is_file():
            content = (path / name).read_bytes()
            if name in manifest.get("files", {}):
                manifest["files"][name] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "bytes": len(content),
                }
    try:
        manifest["id"] = Manifest.model_validate(manifest).id
    except ValueError:
        manifest["id"] = "0" * 16
    (path / "manifest.json").write_text(json.dumps(manifest))


def with_tensors(edit):
    def change(path, manifest):
        found = tensors_file.load_file(path / "weights.safetensors")
        edit(found)
        tensors_file.save_file(found, path / "weights.safetensors")

    return change


def nan_weight(found):
    found["towers.head_bias"] = found["towers.head_bias"].copy()
    found["towers.head_bias"][0] = np.nan


def wrong_shape(found):
    found["towers.head_bias"] = np.zeros(9, np.float32)


def wrong_type(found):
    found["towers.head_bias"] = found["towers.head_bias"].astype(np.float64)


def extra_tensor(found):
    found["more"] = np.zeros(2, np.float32)


def huge_model(path, manifest):
    manifest["model"]["hidden"] = 4096
    manifest["model"]["experts"] = 32


def absurd_model(path, manifest):
    manifest["model"]["hidden"] = 10**12


def extra_file(path, manifest):
    manifest["files"]["../../etc/passwd"] = {"sha256": "0" * 64, "bytes": 1}


def rising_exposure(path, manifest):
    manifest["exposure"]["examination"] = [0.5, 1.0]


def unknown_key(path, manifest):
    manifest["pickle"] = "x"


def other_spec(path, manifest):
    manifest["feature_spec"] = "0" * 16


def fewer_calibrators(path, manifest):
    data = json.loads((path / "calibrators.json").read_text())
    del data["save"]
    (path / "calibrators.json").write_text(json.dumps(data))


def nan_calibrator(path, manifest):
    data = json.loads((path / "calibrators.json").read_text())
    data["click"]["state"] = float("nan")
    (path / "calibrators.json").write_text(json.dumps(data))


def repeated_key(path, manifest):
    text = (path / "transform.json").read_text()
    (path / "transform.json").write_text('{"version":1,' + text[1:])


def deep_json(path, manifest):
    (path / "transform.json").write_text("[" * 100_000)


def wide_json(path, manifest):
    (path / "transform.json").write_text("[" + "[],[]," * 500_001 + "[]]")


def no_safetensors(path, manifest):
    (path / "weights.safetensors").write_bytes(b"\xff" * 64)


def oversized_tensor(path, manifest):
    head = {"towers.head_bias": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    text = json.dumps(head).encode()
    (path / "weights.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 16)


def endless_header(path, manifest):
    (path / "weights.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")


def with_sample(edit):
    def change(path, manifest):
        data = json.loads((path / "sample.json").read_text())
        edit(data)
        (path / "sample.json").write_text(json.dumps(data))

    return change


def of_a_type_that_is_a_list(data):
    data["columns"]["similarity"]["type"] = ["float"]


def that_the_feature_cannot_read(data):
    data["columns"]["similarity"] = {"type": "string", "values": ["near"] * 200}


def half_a_character(path, manifest):
    text = (path / "transform.json").read_text()
    assert '"phone"' in text
    (path / "transform.json").write_text(text.replace('"phone"', '"\\ud800"'))


def more_than_any_number(path, manifest):
    text = (path / "first_stage.json").read_text()
    (path / "first_stage.json").write_text(text.replace('"id":0', '"id":1e999', 1))


def many_calibrators(path, manifest):
    data = json.loads((path / "calibrators.json").read_text())
    (path / "calibrators.json").write_text(json.dumps(data | {f"head{k}": 1 for k in range(50_000)}))


def endless_names(path, manifest):
    data = json.loads((path / "transform.json").read_text())
    (path / "transform.json").write_text(json.dumps(data | {"version": "k" * 100_000}))


def endless_head(path, manifest):
    manifest["held_out"]["\n\x1b[31m" + "k" * 100_000] = {"rows": "many"}


def without_a_column(data):
    del data["columns"]["similarity"]


def of_an_unknown_type(data):
    data["columns"]["similarity"]["type"] = "extension<pickle>"


def of_another_type(data):
    data["columns"]["ad_id"]["values"][0] = "seven"


def of_too_many_rows(data):
    for column in data["columns"].values():
        column["values"] *= 6
    for values in (*data["expected"].values(), data["prerank"]):
        values *= 6


def of_uneven_rows(data):
    data["columns"]["ad_id"]["values"].pop()


def more_than_certain(data):
    data["expected"]["p_click"][0] = 1.5


def without_an_answer(data):
    del data["expected"]["p_hide"]


def without_held_out(path, manifest):
    del manifest["held_out"]["click"]


def upside_down(path, manifest):
    manifest["held_out"]["click"] |= {"low": 1.2, "high": 0.9}


def old_schema(path, manifest):
    manifest["schema_version"] = 1


def another_first_stage(path, manifest):
    manifest["first_stage"] = "two_tower"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (with_tensors(nan_weight), "weights.safetensors: towers.head_bias holds a value that is not finite"),
        (with_tensors(wrong_shape), "weights.safetensors: towers.head_bias"),
        (with_tensors(wrong_type), "weights.safetensors: towers.head_bias"),
        (with_tensors(extra_tensor), "weights.safetensors: other tensors"),
        (huge_model, "weights.safetensors"),
        (absurd_model, "manifest.json: model.hidden"),
        (extra_file, "manifest.json"),
        (rising_exposure, "manifest.json: exposure.examination"),
        (unknown_key, "unknown key 'pickle'"),
        (other_spec, "transform.json"),
        (fewer_calibrators, "calibrators.json"),
        (nan_calibrator, "calibrators.json: not valid JSON"),
        (repeated_key, "transform.json: not valid JSON: a key stands twice"),
        (deep_json, "transform.json"),
        (wide_json, "transform.json: 1000004 lists and objects"),
        (no_safetensors, "weights.safetensors: not safetensors"),
        (oversized_tensor, "weights.safetensors: not safetensors"),
        (endless_header, "weights.safetensors: not safetensors"),
        (with_sample(without_a_column), "sample.json: columns"),
        (with_sample(of_an_unknown_type), "sample.json: columns.similarity.type"),
        (with_sample(of_a_type_that_is_a_list), "sample.json: columns.similarity.type"),
        (with_sample(that_the_feature_cannot_read), "sample.json: similarity: 'string' is refused"),
        (half_a_character, "transform.json: 'utf-8' codec"),
        (more_than_any_number, "first_stage.json: not valid JSON: 1e999 is not a number here"),
        (many_calibrators, "calibrators.json"),
        (endless_names, "transform.json: "),
        (endless_head, r"manifest.json: 'held_out.\n\x1b[31mkkk"),
        (with_sample(of_another_type), "sample.json: columns.ad_id"),
        (with_sample(of_too_many_rows), "sample.json: columns"),
        (with_sample(of_uneven_rows), "sample.json: columns"),
        (with_sample(more_than_certain), "sample.json: expected.p_click"),
        (with_sample(without_an_answer), "sample.json: expected"),
        (without_held_out, "manifest.json: manifest: Value error, held_out"),
        (upside_down, "manifest.json: held_out.click"),
        (old_schema, "manifest.json: schema_version 1, this code reads 2"),
        (another_first_stage, "first_stage.json"),
    ],
)
def test_a_bundle_of_a_hostile_author_is_refused_by_file(copy, change, names):
    rewrite(copy, change)
    with pytest.raises(BundleError) as refused:
        Bundle.load(copy)
    assert names in str(refused.value)
    assert len(str(refused.value)) < 700
    assert str(refused.value).isprintable()


def test_the_hostile_authors_tools_alone_do_no_harm(copy, saved):
    rewrite(copy, lambda path, manifest: None)
    assert Bundle.load(copy).id == Bundle.load(saved).id


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_one_changed_byte_is_found(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: altered"):
        Bundle.load(copy)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_truncated_or_missing_file_is_found(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=name):
        Bundle.load(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        Bundle.load(copy)


def test_a_changed_manifest_is_found(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["embedding_space"] = "another"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="is not that of its content"):
        Bundle.load(copy)


def test_links_pipes_and_folders_are_not_files(copy, tmp_path):
    target = copy / "calibrators.json"
    target.rename(tmp_path / "elsewhere.json")
    target.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match=r"calibrators\.json"):
        Bundle.load(copy)
    target.unlink()
    os.mkfifo(target)
    with pytest.raises(BundleError, match="not a plain file"):
        Bundle.load(copy)


def test_a_file_that_the_manifest_does_not_know_has_no_place(copy):
    (copy / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.pkl: not a file of a bundle"):
        Bundle.load(copy)


def test_a_loaded_bundle_saves_as_it_was(saved, tmp_path):
    again = Bundle.load(saved)
    again.save(tmp_path / "again")
    for name in (*LIMITS, "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_an_oversized_file_is_refused_unread(copy, monkeypatch):
    with open(copy / "manifest.json", "ab") as out:
        out.truncate(folder.MAX_MANIFEST + 1)
    with pytest.raises(BundleError, match=r"manifest\.json.*at most"):
        Bundle.load(copy)


def test_a_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(BundleError, match="no such bundle"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="no such bundle"):
        Bundle.load("a" * 300)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Bundle.load(tmp_path)


def test_a_place_that_cannot_be_written_is_named(trained, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "bundle", tmp_path / ("a" * 300)):
        with pytest.raises(BundleError, match="cannot be written"):
            trained.bundle.save(path)
