"""Cross network: explicit products of bounded degree."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adsrank.models.half import Embedded


class Cross(nn.Module):
    """x' = x_0 * (W x + b) + x, with W full or of low rank, W = U V.

    Source: Wang et al., DCN V2 (WWW 2021), equations 1 and 2.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.empty(rank, width)) if rank else None
        self.weight = nn.Parameter(torch.empty(width, rank or width))
        self.bias = nn.Parameter(torch.zeros(width))

    def initialize(self, generator: torch.Generator) -> None:
        for weight in (self.inner, self.weight):
            if weight is not None:
                weight.normal_(0.0, 1.0 / math.sqrt(weight.shape[1]), generator=generator)

    def added(self, first: Tensor, x: Tensor) -> Tensor:
        """x_0 * (W x + b), float32 [n, D]."""
        low = x if self.inner is None else F.linear(x, self.inner)
        return first * F.linear(low, self.weight, self.bias)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        return x + self.added(first, x)


class CrossNetwork(nn.Module):
    """Cross layers over all inputs of both halves; gives x_L - x_0.

    The experts read x_0 anyway, its request's half once a request; so what is handed over is what
    crossing adds, and the experts' first layer sees x_L as W_0 x_0 + W_1 (x_L - x_0).
    """

    def __init__(self, width: int, layers: int, rank: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(Cross(width, rank) for _ in range(layers))

    def initialize(self, generator: torch.Generator) -> None:
        for layer in self.layers:
            cast(Cross, layer).initialize(generator)

    def forward(self, request: Embedded, ad: Embedded) -> Tensor:
        """float32 [n, D]; D counts the columns of both halves."""
        offered = ad.flat
        first = torch.cat([request.flat.expand(len(offered), -1), offered], 1)
        x = first
        for layer in self.layers:
            x = layer(first, x)
        return x - first
