"""A training that is killed and resumed makes the bundle of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.models.bundle import Bundle
from adsrank.models.config import ModelConfig
from adsrank.training import TrainConfig, run, train
from adsrank.training.prepare import prepare_table
from adsrank.training.run import fingerprint
from adsrank.training.run_folder import RunFolder

CHILD = Path(__file__).with_name("fit_child.py")


def child(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), *arguments], stderr=subprocess.PIPE, text=True, env=os.environ
    )


def kill_after(process: subprocess.Popen[str], checkpoints: Path, number: int) -> int:
    """Kill it, with no chance to clean up, once checkpoint `number` is there; the last one that is."""
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        there = [int(path.name) for path in checkpoints.glob("[0-9]" * 8)]
        if there and max(there) >= number:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return max(there)
        time.sleep(0.002)
    process.kill()
    raise AssertionError(f"not killed in time: {process.communicate()[1][-2000:]}")


@pytest.mark.parametrize(
    ("window", "update"), [("1000000", "dense"), pytest.param("1500", "lazy", marks=pytest.mark.slow)]
)
def test_killed_twice_it_ends_in_the_same_bundle(few_rows, tmp_path, window, update):
    """In memory with every row moved; and, slow, streamed through windows with only the rows met."""
    table = tmp_path / "t.parquet"
    pq.write_table(few_rows, table)
    settings = (window, update)
    config = TrainConfig(
        epochs=2,
        batch_size=512,
        window_rows=int(window),
        embedding_update=update,
        unknown_rate=0.1,
        model=ModelConfig(sequence=None),
    )
    whole = run(table, tmp_path / "whole", config)
    folder, out = tmp_path / "run", tmp_path / "out"
    checkpoints = folder / "checkpoints"
    first = kill_after(child(str(table), str(out), str(folder), *settings), checkpoints, 3)
    second = kill_after(
        child(str(table), str(out), str(folder), *settings, "resume"), checkpoints, first + 9
    )  # in the second epoch
    assert second >= first + 9
    assert not out.exists()
    report = run(table, out, config, folder=folder, resume=True, checkpoint_seconds=0.0)
    assert report["bundle"] == whole["bundle"]
    assert report["losses"] == whole["losses"]
    assert Bundle.load(out).id == whole["bundle"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    later = [line for line in lines if line["part"] == "later"]
    assert [line["loss"] for line in later] == whole["losses"]  # once each, whatever was killed
    assert json.loads((folder / "report.json").read_text())["bundle"] == whole["bundle"]
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    assert not (folder / "rows").exists()


def test_a_run_is_neither_overwritten_nor_resumed_with_other_settings(few_rows, tmp_path):
    table, folder = tmp_path / "t.parquet", tmp_path / "run"
    pq.write_table(few_rows, table)
    config = TrainConfig(epochs=1, batch_size=2048, model=ModelConfig(sequence=None))
    with pytest.raises(InputError, match="no run is there"):
        run(table, tmp_path / "out", config, folder=folder, resume=True)
    run(table, tmp_path / "out", config, folder=folder)
    with pytest.raises(InputError, match="a run is there"):
        run(table, tmp_path / "other", config, folder=folder)
    with pytest.raises(InputError, match="another table or configuration"):
        run(
            table,
            tmp_path / "other",
            TrainConfig(epochs=1, batch_size=1024, model=ModelConfig(sequence=None)),
            folder=folder,
            resume=True,
        )
    assert not (tmp_path / "other").exists()


def test_a_start_that_was_refused_leaves_no_run(few_rows, tmp_path):
    config = TrainConfig(epochs=1, batch_size=2048, model=ModelConfig(sequence=None))
    pq.write_table(few_rows.drop_columns(["similarity"]), tmp_path / "wrong.parquet")
    pq.write_table(few_rows, tmp_path / "right.parquet")
    with pytest.raises(InputError, match="similarity"):
        run(tmp_path / "wrong.parquet", tmp_path / "out", config, folder=tmp_path / "run")
    run(tmp_path / "right.parquet", tmp_path / "out", config, folder=tmp_path / "run")
    told = json.loads((tmp_path / "run" / "config.json").read_text())
    assert told["table"] == str(tmp_path / "right.parquet")


def test_a_run_killed_before_its_first_checkpoint_begins_again(few_rows, tmp_path):
    pq.write_table(few_rows, tmp_path / "t.parquet")
    config = TrainConfig(epochs=1, batch_size=64, model=ModelConfig(sequence=None))
    killed = RunFolder(tmp_path / "run")
    killed.begin(TrainConfig(epochs=9), {"table": "another"})
    killed.record("train", 50, {"epoch": 0, "loss": 9.0})
    run(tmp_path / "t.parquet", tmp_path / "out", config, folder=tmp_path / "run", resume=True)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["epochs"] == 1
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines if '"train"' in line]
    assert len(set(steps)) == len(steps) >= 1
    assert '"loss": 9.0' not in lines[0]


def test_an_edit_in_the_middle_of_the_table_is_another_table(few_rows, tmp_path):
    config = TrainConfig(epochs=1, batch_size=2048, model=ModelConfig(sequence=None))
    prepared = prepare_table(few_rows, FeatureSpec.default(), config)
    of = fingerprint(prepared, config)
    for name in ("hide", "position"):
        values = few_rows[name].to_numpy().copy()
        values[len(values) // 2] = 1 - values[len(values) // 2] if name == "hide" else 9 + values[0]
        edited = few_rows.set_column(few_rows.column_names.index(name), name, pa.array(values))
        assert fingerprint(prepare_table(edited, FeatureSpec.default(), config), config) != of
    assert fingerprint(prepare_table(few_rows, FeatureSpec.default(), config), config) == of


@pytest.mark.parametrize("inside", ["out", "out/run"])
def test_a_run_in_the_bundles_folder_is_refused_before_anything_is_trained(tmp_path, inside):
    with pytest.raises(InputError, match="in the bundle's folder"):
        run(tmp_path / "none.parquet", tmp_path / "out", folder=tmp_path / inside)


def test_a_fit_that_diverges_says_so(few_rows, tmp_path):
    pq.write_table(few_rows, tmp_path / "t.parquet")
    config = TrainConfig(epochs=3, batch_size=64, learning_rate=1.0, model=ModelConfig(sequence=None))
    with pytest.raises(InputError, match=r"the fit diverged by step .* lower learning_rate"):
        run(tmp_path / "t.parquet", tmp_path / "out", config, folder=tmp_path / "run")
    with pytest.raises(InputError, match="the fit diverged"):
        train(few_rows, config=config)


def test_lines_after_the_checkpoint_are_dropped_and_a_torn_one_with_them(tmp_path):
    folder = RunFolder(tmp_path / "run")
    for step in (50, 100, 150):
        folder.record("train", step, {"epoch": 0, "loss": 1.0 / step})
    folder.close()
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        file.write('{"part": "train", "st')
    folder.back_to(100)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [50, 100]
