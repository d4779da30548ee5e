"""Several processes that share each batch train what one would."""

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adsrank.features.spec import FeatureSpec
from adsrank.models.bundle import Bundle
from adsrank.training import TrainConfig, run
from adsrank.training.fit import fit_rows
from adsrank.training.prepare import prepare_table, stored
from adsrank.training.prepared_folder import read_prepared, write_prepared
from adsrank.training.workers import Workers

CHILD = Path(__file__).with_name("workers_child.py")


def test_shares_follow_each_other_and_leave_nothing_out():
    for n in (0, 1, 7, 4096):
        for size in (1, 2, 3, 8):
            parts = [np.arange(n)[Workers(rank, size).share(n)] for rank in range(size)]
            assert np.array_equal(np.concatenate(parts), np.arange(n))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_alone_nothing_is_sent():
    values = np.array([1.0, 2.0])
    assert Workers().gather(values, 2) is values
    tensor = torch.ones(2)
    Workers().sum_([tensor])
    assert torch.equal(tensor, torch.ones(2))


@pytest.fixture(scope="module")
def folder(few_rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    prepared = stored(prepare_table(few_rows, FeatureSpec.default(), TrainConfig()), folder)
    write_prepared(prepared, folder)
    return folder


def test_prepared_rows_are_read_back_as_they_were(folder, few_rows):
    memory, read = prepare_table(few_rows, FeatureSpec.default(), TrainConfig()), read_prepared(folder)
    assert read.transform.to_json() == memory.transform.to_json()
    assert read.split == memory.split
    assert np.array_equal(read.test.read(0, 50)[0].ids, memory.test.read(0, 50)[0].ids)


@pytest.mark.slow
@pytest.mark.parametrize("update", ["dense", "lazy"])
def test_three_processes_make_the_steps_of_one(folder, update):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    children = [
        subprocess.Popen(
            [sys.executable, str(CHILD), str(rank), "3", port, str(folder), update],
            env=os.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    for child in children:
        assert child.wait(timeout=300) == 0, child.communicate()[1][-2000:]
    prepared = read_prepared(folder)
    config = TrainConfig(epochs=2, batch_size=500, embedding_update=update)
    alone = fit_rows(prepared.transform, prepared.train, prepared.calibrate, config)
    weights = [load_file(folder / f"weights-{rank}.safetensors") for rank in range(3)]
    for name, value in alone.network.state_dict().items():
        assert torch.equal(weights[0][name], weights[1][name])
        assert torch.equal(weights[0][name], weights[2][name])
        assert torch.allclose(weights[0][name], value, atol=2e-3), name
    losses = ast.literal_eval((folder / "losses-0.txt").read_text())
    assert losses == pytest.approx(alone.losses, rel=1e-4)


@pytest.mark.slow
@pytest.mark.ray
def test_two_workers_of_ray_train_the_bundle_of_one_process(few_rows, tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(few_rows, tmp_path / "t.parquet")
    config = TrainConfig(epochs=2, batch_size=512)
    one = run(tmp_path / "t.parquet", tmp_path / "one", config)
    two = run(tmp_path / "t.parquet", tmp_path / "two", config, folder=tmp_path / "run", workers=2)
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    ours, theirs = (Bundle.load(tmp_path / name).score(few_rows.slice(0, 500)) for name in ("one", "two"))
    for head, p in ours.items():
        assert theirs[head] == pytest.approx(p, rel=0.02)
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count('"later"') == 2
    assert not (tmp_path / "run" / "rows").exists()
