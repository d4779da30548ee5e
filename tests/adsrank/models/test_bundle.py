import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import safetensors.numpy as tensors_file

from adsrank.errors import BundleError, InputError
from adsrank.models import folder
from adsrank.models.bundle import Bundle
from adsrank.models.manifest import LIMITS, Manifest


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


def no_safetensors(path, manifest):
    (path / "weights.safetensors").write_bytes(b"\xff" * 64)


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
        (no_safetensors, "weights.safetensors: not safetensors"),
    ],
)
def test_a_bundle_of_a_hostile_author_is_refused_by_file(copy, change, names):
    rewrite(copy, change)
    with pytest.raises(BundleError) as refused:
        Bundle.load(copy)
    assert names in str(refused.value)


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


def test_an_oversized_file_is_refused_unread(copy, monkeypatch):
    with open(copy / "manifest.json", "ab") as out:
        out.truncate(folder.MAX_MANIFEST + 1)
    with pytest.raises(BundleError, match=r"manifest\.json.*at most"):
        Bundle.load(copy)


def test_a_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(BundleError, match="no such bundle"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Bundle.load(tmp_path)
