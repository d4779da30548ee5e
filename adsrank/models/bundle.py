"""A model bundle: model, transform, calibrators and first stage, which only change together."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from adsrank.errors import BundleError
from adsrank.features.batch import FeatureBatch
from adsrank.features.source import Columns
from adsrank.features.transform import CompiledTransform
from adsrank.models import folder, reading
from adsrank.models.admission import Admission
from adsrank.models.first_stage import FirstStage
from adsrank.models.manifest import Manifest
from adsrank.models.multitask import MultiTask
from adsrank.models.pointer import resolve
from adsrank.models.probabilities import Probabilities
from adsrank.models.sample import Sample, pick
from auction.policy import Exposure

Float64 = npt.NDArray[np.float64]

ADMISSION = Admission()


class Bundle:
    """Everything that turns columns into probabilities, for training reports and serving alike.

    Columns are a pyarrow table or a mapping (`features.columns` makes it for a request); a
    `FeatureBatch` from `prepare` saves transforming the same candidates twice.
    """

    def __init__(
        self,
        manifest: Manifest,
        transform: CompiledTransform,
        network: MultiTask,
        probabilities: Probabilities,
        first_stage: FirstStage,
        sample: Sample,
    ) -> None:
        self.manifest = manifest
        self.transform = transform
        self.network = network.eval()
        self.probabilities = probabilities
        self.first_stage = first_stage
        self.sample = sample

    @property
    def id(self) -> str:
        """16 hex digits, of the content."""
        return self.manifest.id

    @property
    def embedding_space(self) -> str:
        """Of the similarities it was trained on; intents and ads must be of the same."""
        return self.manifest.embedding_space

    @property
    def exposure(self) -> Exposure:
        """Examination and gap effect as learned from the log."""
        return self.manifest.exposure

    @property
    def conversion_rate(self) -> float:
        """Conversions per click in the log: what the first stage takes for every ad."""
        return self.manifest.conversion_rate

    @property
    def heads(self) -> tuple[str, ...]:
        return self.manifest.heads

    def prepare(self, columns: Columns | FeatureBatch) -> FeatureBatch:
        """Features of the candidates.

        Raises:
            InputError: a column is absent or of another type.
        """
        return columns if isinstance(columns, FeatureBatch) else self.transform.apply(columns)

    def prerank(self, columns: Columns | FeatureBatch) -> Float64:
        """The first stage's estimate of p_click, float64 [n] in (0, 1): for the cut only."""
        with _one_thread():
            return self.first_stage.score(self.prepare(columns))

    def score(self, columns: Columns | FeatureBatch) -> dict[str, Float64]:
        """Raw probabilities of each head given that the ad is examined, float64 [n]."""
        with _one_thread():
            return self.network.probabilities(self.prepare(columns))

    def calibrate(self, raw: Mapping[str, Float64]) -> dict[str, Float64]:
        """`p_click`, `p_conversion_given_click`, `p_click_conversion`, `p_save`, `p_hide`, float64 [n]."""
        return self.probabilities.transform(raw)

    def save(self, path: str | Path) -> str:
        """Write the folder, whole or not at all; returns the bundle's id.

        Raises:
            BundleError: `path` is there already, or cannot be written.
        """
        files = folder.contents(
            self.transform, self.network, self.probabilities, self.first_stage, self.sample
        )
        folder.write(Path(path), self.manifest, files)
        return self.id

    @classmethod
    def load(cls, path: str | Path, admission: Admission | None = ADMISSION) -> Self:
        """Read a folder that anyone may have written, and let it show what it must before it serves.

        Parameters:
            path: of the bundle, or of a registry, whose current bundle is read.
            admission: None reads without those checks: to look at a bundle, never to serve it.

        Raises:
            BundleError: anything is not as the manifest and this code say, or a check of `admission`
                fails; names the file.
        """
        home = resolve(path)
        manifest, files = folder.read(home)
        if home != Path(path) and manifest.id != home.name:
            raise BundleError(f"{home}: holds bundle {manifest.id}, not the one it is named for")
        return cls.of(manifest, files, admission)

    @classmethod
    def of(
        cls, manifest: Manifest, files: Mapping[str, bytes], admission: Admission | None = ADMISSION
    ) -> Self:
        """From what `folder.read` gives; raises as `load` does."""
        bundle = cls(manifest, *reading.build(manifest, files))
        if admission is not None:
            admission.admit(bundle)
        return bundle

    def with_first_stage(self, first_stage: FirstStage) -> "Bundle":
        """The same model behind another first stage."""
        described = self.manifest.model_dump(exclude={"files", "first_stage"})
        parts = self.transform, self.network, self.probabilities, first_stage
        return assemble(described, *parts, self.sample.columns)


def assemble(
    described: Mapping[str, Any],
    transform: CompiledTransform,
    network: MultiTask,
    probabilities: Probabilities,
    first_stage: FirstStage,
    later: pa.Table,
) -> Bundle:
    """A bundle from its parts.

    Parameters:
        described: the manifest's fields other than `files` and `first_stage`.
        later: held-out rows; the bundle keeps a sample of them with its answers.
    """
    sample = _answered(pick(later, transform.sources), transform, network, probabilities, first_stage)
    files = folder.contents(transform, network, probabilities, first_stage, sample)
    manifest = Manifest.model_validate(
        {**described, "first_stage": first_stage.kind, "files": folder.entries(files)}
    )
    return Bundle(manifest, transform, network, probabilities, first_stage, sample)


def _answered(
    columns: pa.Table,
    transform: CompiledTransform,
    network: MultiTask,
    probabilities: Probabilities,
    first_stage: FirstStage,
) -> Sample:
    batch = transform.apply(columns)
    network.eval()
    with _one_thread():
        expected = probabilities.transform(network.probabilities(batch))
        return Sample(columns, expected, first_stage.score(batch))


@contextmanager
def _one_thread() -> Iterator[None]:
    """One request is one thread's work; the setting is this thread's own."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
