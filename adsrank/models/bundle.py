"""A model bundle: model, transform, calibrators and first stage, which only change together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from adsrank.features.batch import FeatureBatch
from adsrank.features.source import Columns
from adsrank.features.transform import CompiledTransform
from adsrank.models import folder, reading
from adsrank.models.first_stage import FirstStage
from adsrank.models.manifest import Manifest
from adsrank.models.multitask import MultiTask
from adsrank.models.probabilities import Probabilities
from auction.policy import Exposure

Float64 = npt.NDArray[np.float64]


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
    ) -> None:
        self.manifest = manifest
        self.transform = transform
        self.network = network.eval()
        self.probabilities = probabilities
        self.first_stage = first_stage

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
        return self.first_stage.score(self.prepare(columns))

    def score(self, columns: Columns | FeatureBatch) -> dict[str, Float64]:
        """Raw probabilities of each head given that the ad is examined, float64 [n]."""
        batch = self.prepare(columns)
        threads = torch.get_num_threads()
        if threads == 1:
            return self.network.probabilities(batch)
        torch.set_num_threads(1)  # one request is one thread's work; the setting is this thread's own
        try:
            return self.network.probabilities(batch)
        finally:
            torch.set_num_threads(threads)

    def calibrate(self, raw: Mapping[str, Float64]) -> dict[str, Float64]:
        """`p_click`, `p_conversion_given_click`, `p_click_conversion`, `p_save`, `p_hide`, float64 [n]."""
        return self.probabilities.transform(raw)

    def save(self, path: str | Path) -> str:
        """Write the folder, whole or not at all; returns the bundle's id.

        Raises:
            BundleError: `path` is there already, or cannot be written.
        """
        files = folder.contents(self.transform, self.network, self.probabilities, self.first_stage)
        folder.write(Path(path), self.manifest, files)
        return self.id

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that anyone may have written.

        Raises:
            BundleError: anything is not as the manifest and this code say; names the file.
        """
        manifest, files = folder.read(Path(path))
        return cls(manifest, *reading.build(manifest, files))


def assemble(
    described: Mapping[str, Any],
    transform: CompiledTransform,
    network: MultiTask,
    probabilities: Probabilities,
    first_stage: FirstStage,
) -> Bundle:
    """A bundle from its parts; `described` are the manifest's fields other than `files`."""
    files = folder.contents(transform, network, probabilities, first_stage)
    manifest = Manifest.model_validate({**described, "files": folder.entries(files)})
    return Bundle(manifest, transform, network, probabilities, first_stage)
