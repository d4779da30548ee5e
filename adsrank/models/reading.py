"""Building a bundle's parts from bytes whose hashes were checked, but whose author is not known."""

from collections.abc import Mapping

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from adsrank.errors import BundleError, InputError
from adsrank.features.transform import CompiledTransform
from adsrank.models.first_stage import FirstStage
from adsrank.models.folder import MANIFEST, PRIOR, parse
from adsrank.models.manifest import CALIBRATORS, FIRST_STAGE, TRANSFORM, WEIGHTS, Manifest
from adsrank.models.multitask import MultiTask
from adsrank.models.probabilities import Probabilities

MAX_ROWS = 50_000_000


def build(
    manifest: Manifest, files: Mapping[str, bytes]
) -> tuple[CompiledTransform, MultiTask, Probabilities, FirstStage]:
    """The parts, checked against the manifest and against each other.

    Raises:
        BundleError: names the file and what is wrong in it.
    """
    try:
        transform = CompiledTransform.from_json(parse(files[TRANSFORM], TRANSFORM))
    except InputError as error:
        raise BundleError(f"{TRANSFORM}: {error}") from None
    if transform.spec.hash != manifest.feature_spec:
        raise BundleError(
            f"{TRANSFORM}: feature table {transform.spec.hash}; manifest {manifest.feature_spec}"
        )
    if transform.rows_ > MAX_ROWS:
        raise BundleError(f"{TRANSFORM}: {transform.rows_} embedding rows; at most {MAX_ROWS}")
    network, prior = _network(manifest, transform, files[WEIGHTS])
    try:
        probabilities = Probabilities.from_json(parse(files[CALIBRATORS], CALIBRATORS), manifest.heads)
    except InputError as error:
        raise BundleError(f"{CALIBRATORS}: {error}") from None
    cheap = transform.cheap()
    inputs = len(cheap) + transform.width()[1][0]
    try:
        first_stage = FirstStage.from_json(files[FIRST_STAGE], prior, cheap, inputs)
    except InputError as error:
        raise BundleError(f"{FIRST_STAGE}: {error}") from None
    return transform, network, probabilities, first_stage


def _network(
    manifest: Manifest, transform: CompiledTransform, content: bytes
) -> tuple[MultiTask, np.ndarray]:
    try:
        tensors = load_tensors(content)
    except (SafetensorError, ValueError, KeyError, OverflowError, MemoryError) as error:
        raise BundleError(f"{WEIGHTS}: not safetensors: {str(error)[:120]}") from None
    try:
        with torch.device("meta"):  # shapes only: nothing is allocated for sizes that may be absurd
            network = MultiTask.of(transform, manifest.heads, manifest.model)
    except InputError as error:
        raise BundleError(f"{MANIFEST}: {error}") from None
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    expected[PRIOR] = (transform.rows_,)
    if set(tensors) != set(expected):
        odd = sorted(set(tensors) ^ set(expected))[:5]
        raise BundleError(f"{WEIGHTS}: other tensors than the model has: {odd}")
    for name, shape in expected.items():
        tensor = tensors[name]
        if tensor.dtype != np.float32 or tensor.shape != shape:
            raise BundleError(f"{WEIGHTS}: {name} is {tensor.dtype} {tensor.shape}; expected float32 {shape}")
        if not np.isfinite(tensor).all():
            raise BundleError(f"{WEIGHTS}: {name} holds a value that is not finite")
    prior = np.array(tensors.pop(PRIOR))
    network.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}, assign=True
    )
    return network.requires_grad_(False), prior
