"""Building a bundle's parts from bytes whose hashes were checked, but whose author is not known."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from adsrank.errors import BundleError, InputError
from adsrank.features.transform import CompiledTransform
from adsrank.models.booster import BoosterStage
from adsrank.models.document import parse
from adsrank.models.first_stage import FirstStage
from adsrank.models.folder import MANIFEST, STAGE
from adsrank.models.manifest import CALIBRATORS, FIRST_STAGE, SAMPLE, TRANSFORM, WEIGHTS, Manifest
from adsrank.models.multitask import MultiTask
from adsrank.models.probabilities import Probabilities, calibrated
from adsrank.models.sample import Sample
from adsrank.models.two_tower import TowerWidths, TwoTowerStage

Float32 = npt.NDArray[np.float32]

MAX_ROWS = 50_000_000


def build(
    manifest: Manifest, files: Mapping[str, bytes]
) -> tuple[CompiledTransform, MultiTask, Probabilities, FirstStage, Sample]:
    """The parts, checked against the manifest and against each other.

    Raises:
        BundleError: names the file and what is wrong in it.
    """
    with _naming(TRANSFORM):
        transform = CompiledTransform.from_json(parse(files[TRANSFORM], TRANSFORM))
    if transform.spec.hash != manifest.feature_spec:
        raise BundleError(
            f"{TRANSFORM}: feature table {transform.spec.hash}; manifest {manifest.feature_spec}"
        )
    if transform.rows_ > MAX_ROWS:
        raise BundleError(f"{TRANSFORM}: {transform.rows_} embedding rows; at most {MAX_ROWS}")
    network = _network(manifest, transform)
    about_stage = parse(files[FIRST_STAGE], FIRST_STAGE)
    width = network.embedding.embedding_dim
    with _naming(FIRST_STAGE):
        towers = TowerWidths.read(about_stage) if manifest.first_stage == "two_tower" else None
    shapes = TwoTowerStage.shapes(transform, towers, width) if towers else BoosterStage.shapes(transform)
    learned, stored = _tensors(network, shapes, files[WEIGHTS])
    network.load_state_dict({name: torch.from_numpy(value) for name, value in learned.items()}, assign=True)
    network.requires_grad_(False)
    with _naming(FIRST_STAGE):
        first_stage: FirstStage = (
            TwoTowerStage(transform, towers, stored, network.embedding.weight)
            if towers
            else BoosterStage.from_json(about_stage, stored, transform)
        )
    with _naming(CALIBRATORS):
        probabilities = Probabilities.from_json(parse(files[CALIBRATORS], CALIBRATORS), manifest.heads)
    names = tuple(f"p_{head}" for head in calibrated(manifest.heads))
    with _naming(SAMPLE):
        sample = Sample.from_json(parse(files[SAMPLE], SAMPLE), transform.sources, names)
        transform.apply(sample.columns)  # of types that its features read
    return transform, network, probabilities, first_stage, sample


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """A refused value is a refused file."""
    try:
        yield
    except (InputError, UnicodeError) as error:  # JSON may hold half a character
        raise BundleError(f"{file}: {str(error)[:500]}") from None


def _network(manifest: Manifest, transform: CompiledTransform) -> MultiTask:
    """Shapes only: nothing is allocated for sizes that may be absurd."""
    with _naming(MANIFEST), torch.device("meta"):
        return MultiTask.of(transform, manifest.heads, manifest.model)


def _tensors(
    network: MultiTask, stage: Mapping[str, tuple[int, ...]], content: bytes
) -> tuple[dict[str, Float32], dict[str, Float32]]:
    """The network's tensors and the first stage's, each of the shape it must have and finite."""
    try:
        tensors = load_tensors(content)
    except (SafetensorError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise BundleError(f"{WEIGHTS}: not safetensors: {str(error)[:120]}") from None
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    expected |= {STAGE + name: shape for name, shape in stage.items()}
    if set(tensors) != set(expected):
        odd = sorted(set(tensors) ^ set(expected))[:5]
        raise BundleError(f"{WEIGHTS}: other tensors than the model has: {odd}")
    for name, shape in expected.items():
        tensor = tensors[name]
        if tensor.dtype != np.float32 or tensor.shape != shape:
            raise BundleError(f"{WEIGHTS}: {name} is {tensor.dtype} {tensor.shape}; expected float32 {shape}")
        if not np.isfinite(tensor).all():
            raise BundleError(f"{WEIGHTS}: {name} holds a value that is not finite")
    split = len(STAGE)
    return (
        {name: np.array(value) for name, value in tensors.items() if not name.startswith(STAGE)},
        {name[split:]: np.array(value) for name, value in tensors.items() if name.startswith(STAGE)},
    )
