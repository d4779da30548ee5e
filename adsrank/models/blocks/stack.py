"""Layers that hold several kinds of interaction at once."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from adsrank.models.blocks.dcn import Cross
from adsrank.models.blocks.summary import Summary
from adsrank.models.half import Embedded


class Layer(nn.Module):
    """X' = LayerNorm(FM(X) + Cross(X) + S X): F vectors in, k vectors out.

    FM(X): the k(k-1)/2 inner products of k linear compressions of X, through a linear layer; Cross(X): a
    cross of the flattened X, compressed to k vectors; S: the shortcut, a linear compression.
    Source: Zhang et al., DHEN (2022), equations 2 to 5, with the sum as the ensemble.
    """

    def __init__(self, fields: int, vectors: int, embedding: int, rank: int) -> None:
        super().__init__()
        self.shape = (vectors, embedding)
        self.compress = Summary(fields, vectors)
        self.pairs = nn.Parameter(torch.empty(vectors * embedding, vectors * (vectors - 1) // 2))
        self.cross = Cross(fields * embedding, rank)
        self.crossed = Summary(fields, vectors)
        self.shortcut = Summary(fields, vectors)
        self.norm = nn.LayerNorm(embedding)

    def initialize(self, generator: torch.Generator) -> None:
        for part in (self.compress, self.cross, self.crossed, self.shortcut):
            part.initialize(generator)
        self.pairs.normal_(0.0, 1.0 / math.sqrt(max(self.pairs.shape[1], 1)), generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, k, E] of [n, F, E]."""
        few = self.compress(x)
        products = torch.matmul(few, few.transpose(1, 2))
        upper = torch.triu_indices(self.shape[0], self.shape[0], 1)
        met = products[:, upper[0], upper[1]] @ self.pairs.T
        flat = x.flatten(1)
        crossed = self.crossed(self.cross.added(flat, flat).view_as(x))
        found: Tensor = self.norm(met.view(-1, *self.shape) + crossed + self.shortcut(x))
        return found


class InteractionStack(nn.Module):
    """Layers upon each other; the numbers of each half enter as one more vector, a linear map of them."""

    def __init__(
        self,
        fields: tuple[int, int],
        numbers: tuple[int, int],
        embedding: int,
        layers: int,
        vectors: int,
        rank: int,
    ) -> None:
        """`fields` and `numbers` of the request half and the ad half."""
        super().__init__()
        self.width = vectors * embedding
        self.request_numbers = nn.Parameter(torch.empty(numbers[0], embedding))
        self.ad_numbers = nn.Parameter(torch.empty(numbers[1], embedding))
        read = [sum(fields) + 2] + [vectors] * (layers - 1)
        self.layers = nn.ModuleList(Layer(count, vectors, embedding, rank) for count in read)

    def initialize(self, generator: torch.Generator) -> None:
        for weight in (self.request_numbers, self.ad_numbers):
            weight.normal_(0.0, 1.0 / math.sqrt(max(len(weight), 1)), generator=generator)
        for layer in self.layers:
            cast(Layer, layer).initialize(generator)

    def forward(self, request: Embedded, ad: Embedded) -> Tensor:
        """float32 [n, k E]."""
        n = len(ad.vectors)
        asked = torch.cat([request.vectors, (request.numbers @ self.request_numbers).unsqueeze(1)], 1)
        offered = torch.cat([ad.vectors, (ad.numbers @ self.ad_numbers).unsqueeze(1)], 1)
        x = torch.cat([asked.expand(n, -1, -1), offered], 1)
        for layer in self.layers:
            x = layer(x)
        return x.flatten(1)
