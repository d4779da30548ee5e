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
    tables = {table["table"]: table for table in report["tables"]}
    assert (tables["device"]["missing"], tables["device"]["unseen"]) == (1.0, None)
    assert (tables["ad_id"]["distinct"], tables["ad_id"]["own"]) == (40, 1.0)
    assert (tables["ad_id"]["missing"], tables["ad_id"]["unseen"]) == (0.0, 0.0)
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
    shown = {line.split()[1]: line.split()[3::2] for line in done.stdout.splitlines() if line.count("│") == 8}
    assert shown["device"][-2:] == ["100.0%", "-"]
    assert shown["ad_id"][-2:] == ["0.0%", "0.0%"]


def test_a_run_that_is_there_is_not_trained_over(files):
    assert train(files, "--out", str(files / "b")).exit_code == 0
    done = train(files, "--out", str(files / "c"), "--run", str(files / "b.run"))
    assert isinstance(done.exception, InputError)
    assert "a run is there" in str(done.exception)
    assert not (files / "c").exists()


@pytest.fixture
def two_tasks(files):
    """The same with saves as a second task."""
    for path in (files / "parts").iterdir():
        part = pq.read_table(path)
        save = (np.random.default_rng(len(part)).random(len(part)) < 0.3).astype(np.int8)
        pq.write_table(part.set_column(part.column_names.index("save"), "save", pa.array(save)), path)
    (files / "train.yaml").write_text(yaml.safe_dump(SETTINGS | {"heads": ["click", "save"]}))
    return files


def test_what_tasks_do_to_each_other_is_reported_beside_the_same_bundle(two_tasks):
    plain = json.loads(train(two_tasks, "--out", str(two_tasks / "b"), "--json").stdout)
    assert plain["transfer"] is None
    done = train(two_tasks, "--out", str(two_tasks / "c"), "--transfer", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["bundle"] == plain["bundle"]
    assert json.loads((two_tasks / "c.run" / "report.json").read_text()) == report
    assert report["transfer"]["seeds"] == 1
    tasks = {task["head"]: task for task in report["transfer"]["tasks"]}
    assert set(tasks) == {"click", "save"}
    for head, task in tasks.items():  # the bundle's own figures
        assert task["together"] == pytest.approx(report["heads"][head]["normalized_entropy"])
    shown = train(two_tasks, "--out", str(two_tasks / "d"), "--transfer-seeds", "2")
    assert shown.exit_code == 0, shown.output
    assert Bundle.load(two_tasks / "d").id == plain["bundle"]
    assert "alone" in shown.stdout
    told = json.loads((two_tasks / "d.run" / "report.json").read_text())["transfer"]
    assert told["seeds"] == 2
    assert all(task["verdict"].split()[0] in shown.stdout for task in told["tasks"])


def test_a_transfer_report_of_nothing_is_refused_before_training(files):
    done = train(files, "--out", str(files / "b"), "--transfer")
    assert isinstance(done.exception, InputError)
    assert "heads: 'click'" in str(done.exception)
    assert not (files / "b.run").exists()
    given = ["--out", str(files / "c"), "--transfer", "--continue", str(files / "b")]
    done = runner.invoke(app, ["train", str(files / "parts"), *given])
    assert isinstance(done.exception, InputError)
    assert "without a bundle to continue" in str(done.exception)


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
