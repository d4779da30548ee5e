"""The network: representation, summary, interaction, experts, towers, composed from a `ModelConfig`.

Both halves of a batch (request, ad with its match) are embedded from one table. Everything that reads the
request alone, its half of each first layer and its action sequence included, is computed once a request;
the candidates' part is a handful of matrix products. docs/models.md gives each block's formula and source.
"""

import math
from typing import NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adsrank.errors import InputError
from adsrank.features.batch import FeatureBatch
from adsrank.features.transform import CompiledTransform
from adsrank.models.blocks.dcn import CrossNetwork
from adsrank.models.blocks.experts import Experts
from adsrank.models.blocks.fm import FactorizationMachine
from adsrank.models.blocks.sequence import SequenceEncoder
from adsrank.models.blocks.stack import InteractionStack
from adsrank.models.blocks.summary import Summary
from adsrank.models.blocks.towers import SurfaceTowers, Towers
from adsrank.models.config import ModelConfig
from adsrank.models.half import Embedded, HalfTensors, Inputs, tensors
from adsrank.models.heads import VALUES

LARGEST = 34.0
"""Log of the largest order value in micros (about 5.8e14): what is beyond is no price."""


class Surfaces(NamedTuple):
    """Where the surface stands in the request half's ids: max(id - base, 0) is 0 unknown, 1 ... words."""

    column: int
    base: int
    words: int


class MultiTask(nn.Module):
    """An output a head for n candidates: logits, and for `order_value` the log of its expected micros.

    Parameters:
        rows: rows of the stacked embedding table; row 0 pads and stays zero.
        request, ad: columns of the two halves.
        heads: names out of `HEADS`.
        surfaces: needed for towers by surface, else not read.

    Raises:
        InputError: towers by surface without a surface; names the setting.
    """

    def __init__(
        self,
        rows: int,
        request: Inputs,
        ad: Inputs,
        heads: tuple[str, ...],
        config: ModelConfig,
        surfaces: Surfaces | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.config, self.surfaces = heads, config, surfaces
        width = config.embedding
        fields = (request.ids + request.lists, ad.ids + ad.lists)
        numbers = (request.numbers, ad.numbers)
        self.embedding = nn.Embedding(rows, width + config.first_order, padding_idx=0)
        self.sequences = nn.ModuleList()
        if config.sequence is not None:
            offered = fields[1] * width + numbers[1]
            for _, columns in request.sequences:
                self.sequences.append(SequenceEncoder(columns, width, offered, config.sequence))
            found = config.sequence.width * len(self.sequences)
            numbers = (numbers[0] + (2 * found if config.sequence.summary else 0), numbers[1] + found)
        summary = config.summary
        self.request_summary = Summary(fields[0], summary.request) if summary.request else None
        self.ad_summary = Summary(fields[1], summary.ad) if summary.ad else None
        fields = (summary.request or fields[0], summary.ad or fields[1])
        self.interaction = _interaction(config, fields, numbers)
        self.pairs = fields[0] * fields[1] if config.products else 0
        met = 0 if self.interaction is None else self.interaction.width
        beside = config.interaction.beside and self.interaction is not None
        self.beside = nn.Parameter(torch.empty(len(heads), met + config.first_order)) if beside else None
        read = self.pairs + (0 if beside else met)
        widths = (fields[0] * width + numbers[0], fields[1] * width + numbers[1] + read)
        self.experts = Experts(*widths, len(heads), config)
        self.towers = Towers(len(heads), config.output, config.tower)
        # Of each task and, last, of click and conversion together; only training reads it.
        self.log_variance = nn.Parameter(torch.zeros(len(heads) + 1)) if config.uncertainty else None
        self.surface_towers = None
        if config.surface_tower:
            if surfaces is None or not surfaces.words:
                raise InputError(
                    "model.surface_tower", config.surface_tower, "give 0, or a feature named 'surface'"
                )
            self.surface_towers = SurfaceTowers(
                surfaces.words, len(heads), config.output, config.surface_tower
            )

    @classmethod
    def of(cls, transform: CompiledTransform, heads: tuple[str, ...], config: ModelConfig) -> Self:
        """The network for the features that `transform` makes."""
        request, ad = (Inputs(*width) for width in transform.width())
        request = request._replace(sequences=tuple(transform.sequences_))
        column = transform.surface_column_
        surfaces = None
        if column is not None:
            surfaces = Surfaces(column, transform.surface_base_, len(transform.surfaces_))
        return cls(transform.rows_, request, ad, heads, config, surfaces)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator, base_rates: dict[str, float], silent: Tensor) -> None:
        """Random weights from `generator`, `silent` rows at zero.

        Heads start at their base rate; that of `order_value` is its mean in micros.
        """
        self.embedding.weight.normal_(0.0, 0.05, generator=generator)
        self.embedding.weight[silent] = 0.0
        for part in (self.request_summary, self.ad_summary, self.interaction, self.experts):
            if part is not None:
                part.initialize(generator)
        for encoder in self.sequences:
            cast(SequenceEncoder, encoder).initialize(generator)
        self.towers.initialize(generator, [_start(head, base_rates[head]) for head in self.heads])
        if self.surface_towers is not None:
            self.surface_towers.initialize(generator)
        if self.beside is not None:
            if isinstance(self.interaction, FactorizationMachine):
                self.beside.fill_(1.0)
            else:
                self.beside.normal_(0.0, 0.1 / math.sqrt(self.beside.shape[1]), generator=generator)

    def forward(self, request: HalfTensors, ad: HalfTensors) -> Tensor:
        """Float32 [n, heads]; the request half has n rows or one."""
        asked, first_asked = self._embed(request)
        offered, first_offered = self._embed(ad)
        if self.sequences:
            asked, offered = self._attend(request, asked, offered)
        if self.request_summary is not None:
            asked = asked._replace(vectors=self.request_summary(asked.vectors))
        if self.ad_summary is not None:
            offered = offered._replace(vectors=self.ad_summary(offered.vectors))
        parts = [offered.vectors.flatten(1), offered.numbers]
        if self.pairs:
            # One request: a plain matrix product. Training: n small ones.
            shared = asked.vectors[0].T if len(asked.vectors) == 1 else asked.vectors.transpose(1, 2)
            parts.append((offered.vectors @ shared).flatten(1))
        met = None if self.interaction is None else self.interaction(asked, offered)
        if met is not None and self.beside is None:
            parts.append(met)
        mixed = self.experts(asked.flat, torch.cat(parts, 1))
        logits: Tensor = self.towers(mixed)
        if self.surface_towers is not None:
            logits = logits + self.surface_towers(mixed, self.surface(request))
        if met is not None and self.beside is not None:
            if first_asked is not None and first_offered is not None:
                met = torch.cat([met, first_asked + first_offered], 1)
            logits = logits + F.linear(met, self.beside)
        return logits

    def surface(self, request: HalfTensors) -> Tensor | None:
        """Index of each request's surface, int64 [r], 0 where unknown; None where the model knows none."""
        if request.surface is not None or self.surfaces is None:
            return request.surface
        return (request.ids[:, self.surfaces.column] - self.surfaces.base).clamp(min=0)

    def _embed(self, half: HalfTensors) -> tuple[Embedded, Tensor | None]:
        """A half's vectors and numbers, and its fields' own weights [r, 1] where an embedding holds them."""
        found: Tensor = self.embedding(half.ids)
        if half.lists:
            bags = [
                F.embedding_bag(part, self.embedding.weight, mode="mean", padding_idx=0)
                for part in half.lists
            ]
            found = torch.cat([found, torch.stack(bags, 1)], 1)
        if not self.config.first_order:
            return Embedded(found, half.numbers), None
        width = self.config.embedding
        return Embedded(found[:, :, :width], half.numbers), found[:, :, width:].sum(1)

    def _attend(self, request: HalfTensors, asked: Embedded, offered: Embedded) -> tuple[Embedded, Embedded]:
        """The halves, their numbers joined by what the action sequences say."""
        told, found = [asked.numbers], [offered.numbers]
        for module, sequence in zip(self.sequences, request.sequences, strict=True):
            encoder = cast(SequenceEncoder, module)
            each, of_row = sequence.distinct()
            if of_row is None and not torch.compiler.is_compiling():  # a graph's shapes are not the data's
                each = each.trimmed()
            vectors = self.embedding(each.ids)[..., : self.config.embedding]
            encoded = encoder.encode(vectors, each.ids.any(2), each.age)
            if self.config.sequence is not None and self.config.sequence.summary:
                summary = encoder.summary(encoded)
                told.append(summary if of_row is None else summary.index_select(0, of_row))
            found.append(encoder.attend(encoded, offered, of_row))
        return asked._replace(numbers=torch.cat(told, 1)), offered._replace(numbers=torch.cat(found, 1))

    @torch.inference_mode()
    def outputs(self, batch: FeatureBatch, chunk: int = 8192) -> np.ndarray:
        """`forward`, float64 [n, heads]."""
        request, ad = tensors(batch.request), tensors(batch.ad)
        parts = []
        for start in range(0, len(batch), chunk):
            rows = torch.arange(start, min(start + chunk, len(batch)))
            whole = len(batch) <= chunk
            logits = self(request, ad) if whole else self(request.take(rows), ad.take(rows))
            parts.append(logits.double().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, len(self.heads)))

    def probabilities(self, batch: FeatureBatch, chunk: int = 8192) -> dict[str, np.ndarray]:
        """Raw probabilities of each head that is one, given that the ad is examined, float64 [n]."""
        found = self.outputs(batch, chunk)
        return {
            head: torch.sigmoid(torch.from_numpy(found[:, number].copy())).numpy()
            for number, head in enumerate(self.heads)
            if head not in VALUES
        }

    def values(self, batch: FeatureBatch, chunk: int = 8192) -> dict[str, np.ndarray]:
        """Expected micros of each head that is an amount, given a conversion, float64 [n]."""
        found = self.outputs(batch, chunk)
        return {
            head: np.exp(np.minimum(found[:, number], LARGEST))
            for number, head in enumerate(self.heads)
            if head in VALUES
        }


def _interaction(
    config: ModelConfig, fields: tuple[int, int], numbers: tuple[int, int]
) -> FactorizationMachine | CrossNetwork | InteractionStack | None:
    chosen, width = config.interaction, config.embedding
    match chosen.kind:
        case "fm":
            return FactorizationMachine(width)
        case "dcn":
            return CrossNetwork(sum(fields) * width + sum(numbers), chosen.layers, chosen.rank)
        case "stack":
            return InteractionStack(fields, numbers, width, chosen.layers, chosen.vectors, chosen.rank)
        case "none":
            return None


def _start(head: str, rate: float) -> float:
    """The output that says `rate`."""
    if head in VALUES:
        return math.log(max(rate, 1.0))
    rate = min(max(rate, 1e-6), 1 - 1e-6)
    return math.log(rate / (1 - rate))
