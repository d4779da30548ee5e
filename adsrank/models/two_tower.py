"""Two towers as the first-stage ranker: a vector a request, a vector an ad, their dot product.

logit = u(request) . v(ad) + b(ad) + m(match), after the two-tower models of retrieval (Covington et al.,
2016; Yi et al., 2019). What a tower reads of an embedding is the heavy model's own row, frozen: the two
always come from one bundle. `m`, a small network on the numbers of the match (similarities that retrieval
has measured anyway), is no product of two vectors; without it (`match: 0`) the stage is the dot product
alone, and `item_vectors` are all that a nearest-neighbour index needs.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from adsrank.errors import InputError
from adsrank.features.batch import FeatureBatch, Half
from adsrank.features.spec import NUMERIC, SINGLE, FeatureRow, Group, Transform
from adsrank.features.transform import CompiledTransform
from adsrank.models.half import HalfTensors, tensors
from auction.settings import Settings

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class TowerWidths(Settings):
    """Widths."""

    dim: int = Field(32, ge=1, le=1024, description="Of the vectors.")
    hidden: int = Field(64, ge=1, le=4096, description="Of each tower's first layer.")
    match: int = Field(16, ge=0, le=1024, description="Hidden layer on the match's numbers; 0: leave out.")

    @classmethod
    def read(cls, data: Any) -> Self:
        """From a bundle's file (untrusted).

        Raises:
            InputError: names the field.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError(".".join(map(str, first["loc"])) or "towers", "refused", first["msg"]) from None


class AdColumns(NamedTuple):
    """Which columns of a batch's ad half are the ad's own, and which are of its match with the request."""

    ids: list[int]
    lists: list[int]
    numbers: list[int]
    match: list[int]

    @classmethod
    def of(cls, transform: CompiledTransform) -> Self:
        rows = [row for row in transform.spec.features if not row.of_request]
        own = [row.group is Group.AD for row in rows]
        single = [mine for row, mine in zip(rows, own, strict=True) if row.transform in SINGLE]
        lists = [mine for row, mine in zip(rows, own, strict=True) if row.transform is Transform.MULTI_HOT]
        # Values and flags of plain numbers stand first, then those of embeddings passed through.
        ordered = sorted(rows, key=lambda row: row.transform not in NUMERIC)
        numbers = [row.group is Group.AD for row in ordered for _ in range(_floats(row))]
        return cls(_where(single, True), _where(lists, True), _where(numbers, True), _where(numbers, False))


class TwoTowerNet(nn.Module):
    """The towers.

    Parameters:
        embedding: float32 [rows, width], the heavy model's, read and never trained.
        request, ad: columns of numbers of each; ids and lists as the transform declares them.
    """

    def __init__(self, transform: CompiledTransform, towers: TowerWidths, embedding: Tensor) -> None:
        super().__init__()
        self.columns = AdColumns.of(transform)
        self._embedding = (embedding,)  # in a tuple: not a parameter of this module
        ids, lists, numbers = transform.width()[0]
        width = embedding.shape[1]
        offered = (len(self.columns.ids) + len(self.columns.lists)) * width
        offered += len(self.columns.numbers) + len(self.columns.ids)
        self.register_buffer("prior", torch.zeros(transform.rows_))
        self.request = _tower((ids + lists) * width + numbers, towers.hidden, towers.dim)
        self.ad = _tower(offered, towers.hidden, towers.dim + 1)
        with_match = towers.match and self.columns.match
        self.match = _tower(len(self.columns.match), towers.match, 1) if with_match else None

    def forward(self, request: HalfTensors, ad: HalfTensors) -> Tensor:
        """Logits, float32 [n]; the request half has n rows or one."""
        asked, offered = self.request_vectors(request), self.ad_vectors(ad)
        logits = (asked * offered).sum(1)
        if self.match is not None:
            logits = logits + self.match(ad.numbers[:, self.columns.match]).squeeze(1)
        return logits

    def request_vectors(self, half: HalfTensors) -> Tensor:
        """float32 [r, dim + 1]; the last number is 1 and meets the ad's bias."""
        read = [self._rows(half.ids, half.lists), half.numbers]
        found: Tensor = self.request(torch.cat(read, 1))
        return F.pad(found, (0, 1), value=1.0)

    def ad_vectors(self, half: HalfTensors) -> Tensor:
        """float32 [n, dim + 1]; the last number is the ad's bias."""
        ids = half.ids[:, self.columns.ids]
        lists = tuple(half.lists[number] for number in self.columns.lists)
        prior = self.get_buffer("prior")[ids]
        read = [self._rows(ids, lists), half.numbers[:, self.columns.numbers], prior]
        found: Tensor = self.ad(torch.cat(read, 1))
        return found

    def _rows(self, ids: Tensor, lists: tuple[Tensor, ...]) -> Tensor:
        """float32 [r, (ids + lists) x width]."""
        (embedding,) = self._embedding
        bags = [F.embedding_bag(part, embedding, mode="mean", padding_idx=0) for part in lists]
        return torch.cat([F.embedding(ids, embedding).flatten(1), *bags], 1)


class TwoTowerStage:
    """The towers in a bundle.

    Parameters:
        tensors: of the net, by name (`shapes` says which).
        embedding: the heavy model's.
    """

    kind = "two_tower"

    def __init__(
        self,
        transform: CompiledTransform,
        towers: TowerWidths,
        stored: Mapping[str, Float32],
        embedding: Tensor,
    ) -> None:
        self.towers = towers
        self.net = TwoTowerNet(transform, towers, embedding.detach())
        self.net.load_state_dict({name: torch.from_numpy(value) for name, value in stored.items()})
        self.net.eval().requires_grad_(False)

    @torch.inference_mode()
    def score(self, batch: FeatureBatch) -> Float64:
        """Estimated p_click given examined, not calibrated: float64 [n] in [0, 1]."""
        if not len(batch):
            return np.zeros(0)
        logits = self.net(tensors(batch.request), tensors(batch.ad))
        found: Float64 = torch.sigmoid(logits.double()).numpy()
        return found

    @torch.inference_mode()
    def item_vectors(self, ads: Half) -> Float32:
        """float32 [n, dim + 1] to put into an index of inner products; the last number is a bias."""
        found: Float32 = self.net.ad_vectors(tensors(ads)).numpy()
        return found

    @torch.inference_mode()
    def request_vectors(self, requests: Half) -> Float32:
        """float32 [r, dim + 1] to search that index with."""
        found: Float32 = self.net.request_vectors(tensors(requests)).numpy()
        return found

    def tensors(self) -> dict[str, Float32]:
        """Weights and prior."""
        return {name: value.numpy() for name, value in self.net.state_dict().items()}

    def to_json(self) -> Any:
        """The widths."""
        return self.towers.model_dump(mode="json")

    @staticmethod
    def shapes(transform: CompiledTransform, towers: TowerWidths, width: int) -> dict[str, tuple[int, ...]]:
        """Of `tensors`; `width` is that of the embeddings."""
        with torch.device("meta"):
            net = TwoTowerNet(transform, towers, torch.empty(1, width))
        return {name: tuple(value.shape) for name, value in net.state_dict().items()}


def _tower(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _floats(row: FeatureRow) -> int:
    """Columns of `numbers` that a feature takes."""
    if row.transform in NUMERIC:
        return 2
    return 0 if row.size is None else row.size + 1


def _where(flags: list[bool], wanted: bool) -> list[int]:
    return [number for number, flag in enumerate(flags) if flag is wanted]
