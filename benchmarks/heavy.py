"""The heavy network on 500 candidates of one user, and the same graph on ONNX Runtime in the same process.

A user's 15 fields and an ad's 15, 16 floats each; 5 and 8 numbers with their missing flags; four experts of
256-128 with a gate a task, four towers of 64; with the sequence block, 100 actions of 2 columns as well.
`benchmarks/score.py` runs it as a program of its own, with the peer's packages on the path:

    python -m benchmarks.heavy [--sequence]
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adsrank.features.batch import ActionSequence, FeatureBatch, Half
from adsrank.models.config import ModelConfig
from adsrank.models.half import HalfTensors, Inputs, SequenceTensors, tensors
from adsrank.models.heads import DEFAULT_HEADS
from adsrank.models.multitask import MultiTask

CANDIDATES, TABLE_ROWS, LENGTH = 500, 100_000, 100
CONFIG = ModelConfig(embedding=16, experts=4, hidden=256, output=128, tower=64, products=False)
BLOCKS, CALLS, WARM = 12, 40, 5


def draw(sequence: bool, candidates: int = CANDIDATES) -> tuple[MultiTask, FeatureBatch]:
    """The network with random weights, and one request's candidates."""
    rng = np.random.default_rng(0)
    network = MultiTask(
        TABLE_ROWS,
        Inputs(15, 0, 10, ((LENGTH, 2),) if sequence else ()),
        Inputs(15, 0, 16),
        DEFAULT_HEADS,
        CONFIG,
    )
    network.initialize(
        torch.Generator().manual_seed(0), dict.fromkeys(DEFAULT_HEADS, 0.05), torch.tensor([0])
    )
    ids = rng.integers(1, TABLE_ROWS, (1, LENGTH, 2))
    actions = ActionSequence(ids, rng.uniform(0, 15, (1, LENGTH)).astype(np.float32))

    def half(rows: int, numbers: int, sequences: tuple[ActionSequence, ...] = ()) -> Half:
        found = rng.normal(size=(rows, numbers)).astype(np.float32)
        return Half(rng.integers(1, TABLE_ROWS, (rows, 15)), (), found, sequences)

    batch = FeatureBatch(half(1, 10, (actions,) if sequence else ()), half(candidates, 16))
    return network.eval().requires_grad_(False), batch


def alternating(verbs: dict[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """p50 and p99 (wall) and median processor time of each verb, in milliseconds.

    The verbs take turns, in blocks of calls, so that each meets the same machine with caches of its own.
    """
    wall: dict[str, list[float]] = {name: [] for name in verbs}
    busy: dict[str, list[float]] = {name: [] for name in verbs}
    for _ in range(BLOCKS):
        for name, verb in verbs.items():
            for call in range(WARM + CALLS):
                started, worked = perf_counter(), thread_time()
                verb()
                if call >= WARM:
                    wall[name].append(1e3 * (perf_counter() - started))
                    busy[name].append(1e3 * (thread_time() - worked))
    return {
        name: {
            "p50": float(np.quantile(wall[name], 0.5)),
            "p99": float(np.quantile(wall[name], 0.99)),
            "busy": float(np.quantile(busy[name], 0.5)),
        }
        for name in verbs
    }


def ours(sequence: bool) -> Callable[[], Tensor]:
    """One scoring of all candidates, from id tensors to logits."""
    network, batch = draw(sequence)
    request, ad = tensors(batch.request), tensors(batch.ad)

    @torch.inference_mode()
    def score() -> Tensor:
        found: Tensor = network(request, ad)
        return found

    return score


class Graph(nn.Module):
    """The network with its inputs one by one, as an exporter wants them."""

    def __init__(self, network: MultiTask) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, ids: Tensor, numbers: Tensor, ad_ids: Tensor, ad_numbers: Tensor, *actions: Tensor
    ) -> Tensor:
        sequences = (SequenceTensors(*actions),) if actions else ()
        asked = HalfTensors(ids, (), numbers, sequences)
        found: Tensor = self.network(asked, HalfTensors(ad_ids, (), ad_numbers))
        return found


def theirs(sequence: bool) -> Callable[[], np.ndarray]:
    """The same on ONNX Runtime, with one thread and all its graph optimizations."""
    import onnxruntime

    network, batch = draw(sequence)
    request, ad = tensors(batch.request), tensors(batch.ad)
    given = [request.ids, request.numbers, ad.ids, ad.numbers]
    for actions in request.sequences:
        given += [actions.ids, actions.age]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        program = torch.onnx.export(Graph(network), tuple(given), dynamo=True, verbose=False)
        assert program is not None
        program.save(str(path))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {entry.name: value.numpy() for entry, value in zip(session.get_inputs(), given, strict=True)}

    def score() -> np.ndarray:
        found: np.ndarray = session.run(None, feed)[0]
        return found

    return score


def main(arguments: Sequence[str]) -> None:
    """Both beside each other; prints one line of JSON."""
    torch.set_num_threads(1)
    sequence = "--sequence" in arguments
    both: dict[str, Callable[[], Any]] = {"ours": ours(sequence), "theirs": theirs(sequence)}
    apart = float(np.abs(both["ours"]().numpy() - both["theirs"]()).max())
    print(json.dumps({**alternating(both), "apart": apart}))


if __name__ == "__main__":
    main(sys.argv[1:])
