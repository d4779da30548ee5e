"""A linear layer over both halves of a batch, the request's part computed once a request."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SplitLinear(nn.Module):
    """y = A x_ad + R x_request + b.

    For one request with n candidates R x_request + b is one row: the product then costs what the ad's
    columns cost. It equals a linear layer over the concatenated halves.
    """

    def __init__(self, request: int, ad: int, width: int) -> None:
        super().__init__()
        self.request_weight = nn.Parameter(torch.empty(width, request))
        self.ad_weight = nn.Parameter(torch.empty(width, ad))
        self.bias = nn.Parameter(torch.zeros(width))

    def initialize(self, generator: torch.Generator, scale: float = 1.0) -> None:
        """Normal with deviation `scale` sqrt(2 / inputs) (He et al., 2015)."""
        deviation = scale * math.sqrt(2.0 / (self.request_weight.shape[1] + self.ad_weight.shape[1]))
        for weight in (self.request_weight, self.ad_weight):
            weight.normal_(0.0, deviation, generator=generator)

    def forward(self, request: Tensor, ad: Tensor) -> Tensor:
        """float32 [n, width] of request [n or 1, ...] and ad [n, ...]."""
        asked = F.linear(request, self.request_weight, self.bias)
        if len(asked) == 1:
            return F.linear(ad, self.ad_weight, asked[0])
        return torch.addmm(asked, ad, self.ad_weight.T)
