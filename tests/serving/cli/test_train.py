"""`adsrank train` and `adsrank tune model`, as typed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from adsrank.errors import BundleError, InputError
from adsrank.models.bundle import Bundle
from serving.cli import app

runner = CliRunner()
FEATURES = {
    "features": [
        {
            "name": "ad_id",
            "source": "ad_id",
            "type": "integer",
            "transform": "vocabulary",
            "group": "ad",
        },
        {
            "name": "similarity",
            "source": "similarity",
            "type": "number",
            "transform": "standardize",
            "group": "match",
            "cheap": True,
        },
        {
            "name": "device",
            "source": "device",
            "type": "string",
            "transform": "vocabulary",
            "group": "request",
        },
    ]
}
SETTINGS = {"epochs": 2, "batch_size": 256, "heads": ["click"], "learn_exposure": False, "window_rows": 1000}


@pytest.fixture
def files(tmp_path):
    """A table in two parts, longer than a window, of one feature that matters; and its settings."""
    rng = np.random.default_rng(0)
    n = 3000
    similarity = rng.random(n).astype(np.float32)
    table = pa.table(
        {
            "time": pa.array(
                (np.sort(rng.random(n)) * 14 * 86_400e6).astype(np.int64), pa.timestamp("us", tz="UTC")
            ),
            "ad_id": rng.integers(0, 40, n),
            "similarity": similarity,
            "device": pa.nulls(n, pa.string()),
            "position": np.ones(n, np.int32),
            "gap": np.zeros(n, np.int32),
            "click": (rng.random(n) < 0.6 * similarity).astype(np.int8),
            **{name: np.zeros(n, np.int8) for name in ("save", "hide", "conversion")},
        }
    )
    (tmp_path / "parts").mkdir()
    pq.write_table(table.slice(0, 1700), tmp_path / "parts" / "0.parquet")
    pq.write_table(table.slice(1700), tmp_path / "parts" / "1.parquet")
    (tmp_path / "features.yaml").write_text(yaml.safe_dump(FEATURES))
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(SETTINGS))
    return tmp_path


def train(files, *more: str):
    given = ["--config", str(files / "train.yaml"), "--features", str(files / "features.yaml")]
    return runner.invoke(app, ["train", str(files / "parts"), *given, *more])


def test_a_folder_of_parts_becomes_a_bundle_and_a_run(files):
    done = train(files, "--out", str(files / "b"), "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert Bundle.load(files / "b").id == report["bundle"]
    assert report["heads"]["click"]["auc"] > 0.6
    assert report["missing_columns"] == ["device"]
    run = files / "b.run"
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "tensorboard",
        "checkpoints",
        "report.json",
    }
    assert json.loads((run / "config.json").read_text())["config"]["epochs"] == 2
    assert json.loads((run / "report.json").read_text()) == report
    again = train(files, "--out", str(files / "b2"), "--run", str(files / "b.run"), "--resume", "--json")
    assert json.loads(again.stdout)["bundle"] == report["bundle"]  # from the finished checkpoint


def test_a_bundle_is_continued_and_told_apart_in_a_table(files):
    assert train(files, "--out", str(files / "b")).exit_code == 0
    given = ["--config", str(files / "train.yaml"), "--continue", str(files / "b")]
    done = runner.invoke(app, ["train", str(files / "parts"), "--out", str(files / "c"), *given])
    assert done.exit_code == 0, done.output
    assert Bundle.load(files / "c").id in done.stdout
    assert "device holds no value" in done.stderr


def test_a_run_that_is_there_is_not_trained_over(files):
    assert train(files, "--out", str(files / "b")).exit_code == 0
    done = train(files, "--out", str(files / "c"), "--run", str(files / "b.run"))
    assert isinstance(done.exception, InputError)
    assert "a run is there" in str(done.exception)
    assert not (files / "c").exists()


def test_a_folder_that_is_there_is_refused_by_any_name(files, monkeypatch):
    monkeypatch.chdir(files)
    for name in (".", "parts", "/"):
        assert isinstance(train(files, "--out", name).exception, BundleError)
    under = train(files, "--out", str(files / "train.yaml" / "b"))
    assert "cannot be written" in str(under.exception)


@pytest.mark.slow
@pytest.mark.ray
def test_settings_are_searched_and_written_for_the_next_training(files):
    (files / "space.yaml").write_text("settings:\n  learning_rate: {values: [0.01]}\n")
    given = ["--config", str(files / "train.yaml"), "--features", str(files / "features.yaml")]
    asked = ["--trials", "2", "--space", str(files / "space.yaml"), "--out", str(files / "tuned.yaml")]
    done = runner.invoke(app, ["tune", "model", str(files / "parts"), *given, *asked, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["trials"]) == 2
    assert yaml.safe_load((files / "tuned.yaml").read_text()) == told["config"]
    given[1] = str(files / "tuned.yaml")
    assert (
        runner.invoke(app, ["train", str(files / "parts"), "--out", str(files / "b"), *given]).exit_code == 0
    )
