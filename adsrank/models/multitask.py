"""The multi-task model: shared embeddings, a mixture of experts with a gate a head, a tower a head.

Multi-gate mixture of experts as in Ma et al. (KDD 2018), the experts stacked into one matrix product.
The first layer is the sum of the request's half and the ad's half, so that for one request with n
candidates the request's half is computed once. Inner products of the request's and the ad's
embeddings (as in Naumov et al., 2019) enter beside the embeddings themselves.
"""

from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from adsrank.features.batch import FeatureBatch, Half
from auction.settings import Settings

HEADS = ("click", "conversion_given_click", "save", "hide")
"""The heads a model may have, in this order."""


class ModelSize(Settings):
    """Widths of the layers."""

    embedding: int = Field(8, ge=1, le=256, description="Numbers an embedding row holds.")
    experts: int = Field(4, ge=1, le=32)
    hidden: int = Field(64, ge=1, le=4096, description="First layer of each expert.")
    output: int = Field(32, ge=1, le=4096, description="Second layer of each expert.")
    tower: int = Field(16, ge=1, le=1024, description="Hidden layer of each head's tower.")
    products: bool = Field(True, description="Inner products of request and ad embeddings as inputs.")


class Inputs(NamedTuple):
    """How many columns each half of a batch has."""

    ids: int
    lists: int
    numbers: int


class SequenceTensors(NamedTuple):
    """A `features.batch.ActionSequence` as tensors."""

    ids: Tensor
    age: Tensor

    def take(self, rows: Tensor) -> "SequenceTensors":
        return SequenceTensors(self.ids[rows], self.age[rows])


class HalfTensors(NamedTuple):
    """A `features.batch.Half` as tensors."""

    ids: Tensor
    lists: tuple[Tensor, ...]
    numbers: Tensor
    sequences: tuple[SequenceTensors, ...] = ()

    def take(self, rows: Tensor) -> "HalfTensors":
        if len(self.ids) == 1:
            return self
        return HalfTensors(
            self.ids[rows],
            tuple(part[rows] for part in self.lists),
            self.numbers[rows],
            tuple(part.take(rows) for part in self.sequences),
        )


def tensors(half: Half) -> HalfTensors:
    """Share the arrays of `half` with torch (a broadcast or read-only array is copied)."""
    return HalfTensors(
        _tensor(half.ids),
        tuple(_tensor(part) for part in half.lists),
        _tensor(half.numbers),
        tuple(SequenceTensors(_tensor(part.ids), _tensor(part.age)) for part in half.sequences),
    )


def _tensor(array: np.ndarray) -> Tensor:
    if not array.flags.writeable or not array.flags.c_contiguous:
        array = np.array(array)
    return torch.from_numpy(array)


class MultiTask(nn.Module):
    """Logits of each head for n candidates.

    Parameters:
        rows: rows of the stacked embedding table; row 0 pads lists and stays zero.
        request, ad: columns of the two halves.
        heads: names out of `HEADS`.
    """

    def __init__(
        self, rows: int, request: Inputs, ad: Inputs, heads: tuple[str, ...], size: ModelSize
    ) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        fields = (request.ids + request.lists, ad.ids + ad.lists)
        self.pairs = fields[0] * fields[1] if size.products else 0
        wide = size.experts * size.hidden + len(heads) * size.experts
        self.embedding = nn.Embedding(rows, size.embedding, padding_idx=0)
        widths = (fields[0] * size.embedding + request.numbers, fields[1] * size.embedding + ad.numbers)
        self.request_weight = nn.Parameter(torch.empty(wide, widths[0]))
        self.ad_weight = nn.Parameter(torch.empty(wide, widths[1] + self.pairs))
        self.ad_bias = nn.Parameter(torch.zeros(wide))
        self.expert_weight = nn.Parameter(torch.empty(size.experts, size.hidden, size.output))
        self.expert_bias = nn.Parameter(torch.zeros(size.experts, 1, size.output))
        self.tower_weight = nn.Parameter(torch.empty(len(heads), size.output, size.tower))
        self.tower_bias = nn.Parameter(torch.zeros(len(heads), 1, size.tower))
        self.head_weight = nn.Parameter(torch.empty(len(heads), size.tower, 1))
        self.head_bias = nn.Parameter(torch.zeros(len(heads)))

    def initialize(self, generator: torch.Generator, base_rates: dict[str, float], silent: Tensor) -> None:
        """Random weights from `generator`; heads start at their base rate, `silent` rows at zero."""
        with torch.no_grad():
            self.embedding.weight.normal_(0.0, 0.05, generator=generator)
            self.embedding.weight[silent] = 0.0
            fan_in = self.request_weight.shape[1] + self.ad_weight.shape[1]
            gates = self.size.experts * self.size.hidden
            for weight in (self.request_weight, self.ad_weight):
                weight.normal_(0.0, float(np.sqrt(2.0 / fan_in)), generator=generator)
                weight[gates:] *= 0.1  # gates start near even
            for weight in (self.expert_weight, self.tower_weight):
                weight.normal_(0.0, float(np.sqrt(2.0 / weight.shape[1])), generator=generator)
            self.head_weight.normal_(0.0, 0.1 / float(np.sqrt(self.size.tower)), generator=generator)
            for number, head in enumerate(self.heads):
                rate = min(max(base_rates[head], 1e-6), 1 - 1e-6)
                self.head_bias[number] = float(np.log(rate / (1 - rate)))

    def forward(self, request: HalfTensors, ad: HalfTensors) -> Tensor:
        """Logits, float32 [n, heads]; the request half has n rows or one."""
        asked, offered = self._embed(request), self._embed(ad)
        n = len(offered)
        parts = [offered.flatten(1), ad.numbers]
        if self.pairs:
            # One request: a plain matrix product. Training: n small ones.
            shared = asked[0].T if len(asked) == 1 else asked.transpose(1, 2)
            parts.append((offered @ shared).flatten(1))
        wide = F.linear(torch.cat(parts, 1), self.ad_weight, self.ad_bias)
        wide = wide + F.linear(torch.cat([asked.flatten(1), request.numbers], 1), self.request_weight)
        size = self.size
        split = size.experts * size.hidden
        hidden = F.relu(wide[:, :split]).view(n, size.experts, size.hidden).transpose(0, 1)
        expert = F.relu(torch.baddbmm(self.expert_bias, hidden, self.expert_weight))  # [E, n, O]
        gate = wide[:, split:].reshape(n, len(self.heads), size.experts).softmax(2)
        mixed = torch.bmm(gate, expert.transpose(0, 1)).transpose(0, 1)  # [heads, n, O]
        tower = F.relu(torch.baddbmm(self.tower_bias, mixed, self.tower_weight))
        logits: Tensor = torch.bmm(tower, self.head_weight).squeeze(2).T + self.head_bias
        return logits

    def _embed(self, half: HalfTensors) -> Tensor:
        """float32 [r, ids + lists, embedding]."""
        found: Tensor = self.embedding(half.ids)
        if not half.lists:
            return found
        bags = [
            F.embedding_bag(part, self.embedding.weight, mode="mean", padding_idx=0) for part in half.lists
        ]
        return torch.cat([found, torch.stack(bags, 1)], 1)

    @torch.inference_mode()
    def probabilities(self, batch: FeatureBatch, chunk: int = 8192) -> dict[str, np.ndarray]:
        """Raw probabilities of each head given that the ad is examined, float64 [n]."""
        request, ad = tensors(batch.request), tensors(batch.ad)
        parts = []
        for start in range(0, len(batch), chunk):
            rows = torch.arange(start, min(start + chunk, len(batch)))
            whole = len(batch) <= chunk
            logits = self(request, ad) if whole else self(request.take(rows), ad.take(rows))
            parts.append(torch.sigmoid(logits.double()).numpy())
        found = np.concatenate(parts) if parts else np.zeros((0, len(self.heads)))
        return {head: np.ascontiguousarray(found[:, number]) for number, head in enumerate(self.heads)}
