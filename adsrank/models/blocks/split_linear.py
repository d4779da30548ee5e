"""A linear layer over both halves of a batch, the request's part computed once a request."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class SplitLinear(nn.Module):
    """y = A x_ad + R x_request + b.

    For one request with n candidates R x_request + b is one row: the product then costs what the ad's
    columns cost. It equals a linear layer over the concatenated halves.
    """

    def __init__(self, request: int, ad: int, width: int) -> None:
        super().__init__()
        # Inputs by outputs: the product needs no transposed operand.
        self.request_weight = nn.Parameter(torch.empty(request, width))
        self.ad_weight = nn.Parameter(torch.empty(ad, width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, request: Tensor, ad: Tensor) -> Tensor:
        """float32 [n, width] of request [n or 1, ...] and ad [n, ...]."""
        if len(request) == 1:
            asked = torch.addmm(self.bias, request, self.request_weight)
            return torch.addmm(asked[0], ad, self.ad_weight)
        # Training: one product of both halves; two would write and read the wide result twice.
        weight = torch.cat([self.request_weight, self.ad_weight])
        return torch.addmm(self.bias, torch.cat([request, ad], 1), weight)


def initialize(layers: Iterable[tuple[SplitLinear, float]], generator: torch.Generator) -> None:
    """Normal with deviation scale sqrt(2 / inputs) (He et al., 2015) for layers of the same inputs.

    They are drawn as if they were one layer: half by half, an output after the other.
    """
    layers = list(layers)
    for half in ("request_weight", "ad_weight"):
        for layer, scale in layers:
            weight = getattr(layer, half)
            deviation = scale * math.sqrt(2.0 / (len(layer.request_weight) + len(layer.ad_weight)))
            drawn = torch.empty(weight.shape[::-1]).normal_(0.0, deviation, generator=generator)
            weight.copy_(drawn.T)
