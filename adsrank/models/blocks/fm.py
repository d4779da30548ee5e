"""Factorization machine: the pairwise products of all embeddings, in linear time."""

import torch
from torch import Tensor, nn

from adsrank.models.half import Embedded


class FactorizationMachine(nn.Module):
    """sum_{i<j} v_i * v_j = ((sum_i v_i)^2 - sum_i v_i^2) / 2, elementwise.

    Source: Rendle, Factorization Machines (ICDM 2010), lemma 3.1; kept as a vector, as in the
    bi-interaction pooling of He and Chua (SIGIR 2017). Its elements add up to the machine's scalar: with
    `beside` and weights of one this is DeepFM's wide part (Guo et al., IJCAI 2017). The request's sums are
    taken once a request.
    """

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.width = embedding

    def initialize(self, generator: torch.Generator) -> None:
        """It has no weights."""

    def forward(self, request: Embedded, ad: Embedded) -> Tensor:
        """float32 [n, E]."""
        total = ad.vectors.sum(1) + request.vectors.sum(1)
        squares = ad.vectors.square().sum(1) + request.vectors.square().sum(1)
        return 0.5 * (total.square() - squares)
