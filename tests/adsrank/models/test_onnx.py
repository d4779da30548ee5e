"""The exported graph. What needs the extra `onnx` is skipped where it is not installed."""

import importlib.util
import json

import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.models import onnx as exported
from adsrank.models.config import InteractionConfig, ModelConfig
from adsrank.models.onnx import OnnxScorer, arrays, export_onnx, one_request, parity
from adsrank.training import TrainConfig, train
from tests.adsrank.models.acting import acting

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
there = all(importlib.util.find_spec(package) for package in PACKAGES)
needs_onnx = pytest.mark.skipif(not there, reason='pip install "adsrank[onnx]"')


@pytest.fixture(scope="module")
def graph(trained, tmp_path_factory):
    return export_onnx(trained.bundle, tmp_path_factory.mktemp("onnx") / "model.onnx")


def test_a_missing_package_is_named_with_how_to_get_it(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=r'onnx: .*pip install "adsrank\[onnx\]"'):
        export_onnx(trained.bundle, tmp_path / "model.onnx")
    with pytest.raises(InputError, match="onnxruntime"):
        OnnxScorer(tmp_path / "model.onnx")


def test_the_inputs_are_a_batchs_parts_by_name(trained, planted):
    batch = one_request(trained.bundle.prepare(planted.table.slice(0, 5)), 2)
    given = arrays(batch)
    assert list(given) == [
        "request_ids", "request_list_0", "request_list_1", "ad_ids", "ad_numbers"
    ]  # fmt: skip
    assert np.array_equal(given["request_ids"], batch.request.ids)
    assert len(given["request_ids"]) == 1
    assert len(given["ad_ids"]) == 5


@needs_onnx
@pytest.mark.slow
def test_the_graph_answers_as_the_model_does(trained, graph):
    assert parity(trained.bundle, graph) < 1e-4


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 7, 333])
def test_any_number_of_candidates_and_any_length_of_lists(trained, planted, graph, rows):
    scorer = OnnxScorer(graph)
    assert scorer.heads == trained.bundle.heads
    for first in range(0, 200, 40):
        batch = one_request(trained.bundle.prepare(planted.table.slice(first, rows)), 0)
        for head, p in scorer.score(batch).items():
            assert np.allclose(p, trained.bundle.score(batch)[head], atol=1e-6)


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(),
        ModelConfig(interaction=InteractionConfig(kind="dcn")),
        ModelConfig(interaction=InteractionConfig(kind="stack")),
        ModelConfig(interaction=InteractionConfig(kind="fm", beside=True)),
        ModelConfig(mixture="ple", levels=2, surface_tower=8),
    ],
    ids=["mmoe", "dcn", "stack", "fm", "ple"],
)
def test_every_block_and_the_sequence_answer_alike(few_rows, model, tmp_path):
    table, spec = acting(few_rows)
    bundle = train(table, spec, TrainConfig(epochs=1, model=model)).bundle
    path = export_onnx(bundle, tmp_path / "model.onnx")
    assert parity(bundle, path) < 1e-4
    batch = one_request(bundle.prepare(table.slice(0, 37)), 5)
    assert batch.request.sequences[0].ids.any()
    assert np.allclose(OnnxScorer(path).score(batch)["click"], bundle.score(batch)["click"], atol=1e-6)


@needs_onnx
@pytest.mark.slow
def test_the_graph_says_which_bundle_it_is_of(trained, graph):
    import onnx

    said = {entry.key: entry.value for entry in onnx.load(str(graph)).metadata_props}
    assert said["bundle"] == trained.bundle.id
    assert json.loads(said["heads"]) == list(trained.bundle.heads)
    assert said["embedding_space"] == "builtin-v1"


@needs_onnx
@pytest.mark.slow
def test_what_is_no_graph_is_refused(trained, graph, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a graph"):
        OnnxScorer(tmp_path / "x.onnx")
    with pytest.raises(InputError, match="cannot be written"):
        export_onnx(trained.bundle, graph)
