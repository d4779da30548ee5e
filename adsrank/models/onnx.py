"""The heavy model as an ONNX graph: one request, n candidates, logits of every head.

The graph reads features as the transform gives them (ids, lists, numbers, sequences), lists padded with
0 to the length that the feature table allows, and ends with logits; calibrators are not in it, since they
are exact in float64 and the graph is float32. Reading and writing it needs the extra `onnx`.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor, nn

from adsrank.errors import InputError
from adsrank.features.batch import FeatureBatch, Half
from adsrank.features.spec import FeatureSpec, Transform
from adsrank.models.bundle import Bundle
from adsrank.models.half import HalfTensors, tensors
from adsrank.models.heads import VALUES

Float64 = npt.NDArray[np.float64]

OUTPUT = "logits"


class OnnxScorer:
    """An exported graph on ONNX Runtime, one thread: what `Bundle.score` gives, within float32's rounding.

    Raises:
        InputError: no such file, not such a graph, or ONNX Runtime is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        need("onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            self.heads = tuple(json.loads(self._session.get_modelmeta().custom_metadata_map["heads"]))
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise InputError(str(path), "not a graph of a bundle", str(error).split("\n")[0][:160]) from None
        self._shapes = {each.name: each.shape for each in self._session.get_inputs()}

    def score(self, batch: FeatureBatch) -> dict[str, Float64]:
        """Raw probabilities of each head, float64 [n]; the request half has one row."""
        given = arrays(batch)
        feed = {name: _padded(given[name], shape[1]) for name, shape in self._shapes.items()}
        (logits,) = self._session.run([OUTPUT], feed)
        found = expit(logits.astype(np.float64))
        return {
            head: np.ascontiguousarray(found[:, number])
            for number, head in enumerate(self.heads)
            if head not in VALUES
        }


def export_onnx(bundle: Bundle, out: str | Path) -> Path:
    """Write the bundle's network to `out`; the number of candidates stays free.

    Raises:
        InputError: `out` exists, its folder does not, or the packages of the extra `onnx` are missing.
    """
    for package in ("onnx", "onnxscript"):
        need(package)
    out = Path(out)
    if out.exists() or not out.parent.is_dir():
        raise InputError(str(out), "cannot be written", "give a new file in a folder that is there")
    batch = _longest(one_request(bundle.prepare(bundle.sample.columns), 0), bundle.transform.spec)
    halves = tensors(batch.request), tensors(batch.ad)
    given = _flat(*halves)
    candidates = torch.export.Dim("candidates")
    with torch.no_grad(), _quietly():
        # First by itself: the exporter would write a graph for 200 rows where this one says why it cannot.
        traced = torch.export.export(
            _Flat(bundle.network, halves).eval(),
            tuple(given.values()),
            dynamic_shapes=(tuple(_free(name, candidates) for name in given),),
        )
    with _quietly():
        program = torch.onnx.export(
            traced, input_names=list(given), output_names=[OUTPUT], dynamo=True, verbose=False
        )
    assert program is not None
    for name, value in (
        ("heads", json.dumps(bundle.heads)),
        ("bundle", bundle.id),
        ("embedding_space", bundle.embedding_space),
    ):
        program.model.metadata_props[name] = value
    program.save(str(out), external_data=False)
    return out


def parity(bundle: Bundle, path: str | Path, requests: int = 8) -> float:
    """Largest difference of the graph and the network, in logits, on the stored sample.

    Its first rows' requests are each put before all its ads. Raises InputError as `OnnxScorer` does.
    """
    scorer = OnnxScorer(path)
    rows = bundle.prepare(bundle.sample.columns)
    apart = 0.0
    for row in range(min(requests, len(rows))):
        batch = one_request(rows, row)
        theirs, ours = scorer.score(batch), bundle.score(batch)
        for head in ours:
            one, other = (np.log(p[head]) - np.log1p(-p[head]) for p in (theirs, ours))
            apart = max(apart, float(np.abs(one - other).max()))
    return apart


def one_request(batch: FeatureBatch, row: int) -> FeatureBatch:
    """The request of `row` before the ads of all rows."""
    return FeatureBatch(batch.request.take(np.array([row])), batch.ad)


def arrays(batch: FeatureBatch) -> dict[str, np.ndarray]:
    """A batch by the names of the graph's inputs."""
    return _named(batch.request, "request") | _named(batch.ad, "ad")


def need(package: str) -> None:
    """Raises InputError where `package` of the extra `onnx` is not installed."""
    if find_spec(package) is None:
        raise InputError(package, "not installed", 'pip install "adsrank[onnx]"')


class _Flat(nn.Module):
    """The network as a function of plain tensors, in the order of `_flat`."""

    def __init__(self, network: nn.Module, halves: tuple[HalfTensors, HalfTensors]) -> None:
        super().__init__()
        self.network = network
        self._like = halves

    def forward(self, *given: Tensor) -> Tensor:
        left = list(given)
        request, ad = (_filled(half, left) for half in self._like)
        logits: Tensor = self.network(request, ad)
        return logits


def _flat(request: HalfTensors, ad: HalfTensors) -> dict[str, Tensor]:
    return _named(request, "request") | _named(ad, "ad")


def _named(half: Half | HalfTensors, of: str) -> dict[str, Any]:
    """The parts of a half that hold anything, each with its name, in one order."""
    parts: dict[str, Any] = {f"{of}_ids": half.ids}
    parts |= {f"{of}_list_{number}": part for number, part in enumerate(half.lists)}
    parts[f"{of}_numbers"] = half.numbers
    sequences: Any = half.sequences
    for number, sequence in enumerate(sequences):
        parts[f"{of}_sequence_{number}_ids"] = sequence.ids
        parts[f"{of}_sequence_{number}_age"] = sequence.age
    return {name: part for name, part in parts.items() if part.shape[1]}


def _filled(like: Any, left: list[Tensor]) -> Any:
    """A structure like `like`, its tensors that hold anything taken from the front of `left`."""
    if like is None:
        return None
    if isinstance(like, Tensor):
        return left.pop(0) if like.shape[1] else like
    parts = (_filled(part, left) for part in like)
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of packages that it does not need here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _free(name: str, candidates: Any) -> dict[int, Any] | None:
    """The dimensions of an input that may differ from call to call."""
    return {0: candidates} if name.startswith("ad_") else None


def _longest(batch: FeatureBatch, spec: FeatureSpec) -> FeatureBatch:
    """The batch with each list as long as its feature allows."""
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for row in spec.features:
        if row.transform is Transform.MULTI_HOT:
            lengths[row.of_request].append(row.max_length)
    halves = (
        replace(half, lists=tuple(_padded(*pair) for pair in zip(half.lists, lengths[mine], strict=True)))
        for half, mine in ((batch.request, True), (batch.ad, False))
    )
    return FeatureBatch(*halves)


def _padded(part: np.ndarray, width: int) -> np.ndarray:
    """[r, width], zeros behind."""
    if part.ndim != 2 or part.shape[1] == width:
        return part
    wide = np.zeros((len(part), width), part.dtype)
    wide[:, : part.shape[1]] = part
    return wide
