"""Summarization: many fields of a half become a few vectors."""

import math

import torch
from torch import Tensor, nn


class Summary(nn.Module):
    """u_j = sum_i C_ji v_i, k vectors for F fields: a linear compression of the field axis.

    Source: the linear compression block of Zhang et al., Wukong (ICML 2024). The request's half is
    compressed once a request, like everything that reads it alone.
    """

    def __init__(self, fields: int, vectors: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vectors, fields))

    def initialize(self, generator: torch.Generator) -> None:
        self.weight.normal_(0.0, 1.0 / math.sqrt(self.weight.shape[1]), generator=generator)

    def forward(self, vectors: Tensor) -> Tensor:
        """float32 [r, k, E] of [r, F, E]."""
        return torch.matmul(self.weight, vectors)
