"""Towers: from a task's representation to its logit, with what differs by surface added."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Towers(nn.Module):
    """logit_t = a_t . relu(W_t z_t + b_t) + c_t: a tower a task, stacked into one matrix product."""

    def __init__(self, tasks: int, width: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tasks, width, hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(tasks, 1, hidden))
        self.head_weight = nn.Parameter(torch.empty(tasks, 1, hidden))
        self.head_bias = nn.Parameter(torch.zeros(tasks))

    def initialize(self, generator: torch.Generator, logits: list[float]) -> None:
        """Heads start near `logits`, one a task."""
        self.weight.normal_(0.0, math.sqrt(2.0 / self.weight.shape[1]), generator=generator)
        self.head_weight.normal_(0.0, 0.1 / math.sqrt(self.head_weight.shape[2]), generator=generator)
        self.head_bias.copy_(torch.tensor(logits))

    def forward(self, mixed: Tensor) -> Tensor:
        """float32 [n, tasks] of [tasks, n, O]."""
        hidden = F.relu_(torch.baddbmm(self.hidden_bias, mixed, self.weight))
        # As many dot products: a matrix product with one column is slower.
        return (hidden * self.head_weight).sum(2).T + self.head_bias


class SurfaceTowers(nn.Module):
    """What a surface adds to each logit: a . relu(W z + b), a tower a surface and task.

    The shared tower is learned on all surfaces and the surface's only adds to it; it starts at 0 and
    weight decay pulls it there, so a thin surface stays near the shared tower and an unknown one (0) is
    exactly that. The sum of a shared and a domain's own part is that of Sheng et al., STAR (CIKM 2021),
    taken of outputs, not of weights.
    """

    def __init__(self, surfaces: int, tasks: int, width: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(surfaces, tasks, width, hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(surfaces, tasks, 1, hidden))
        self.head_weight = nn.Parameter(torch.zeros(surfaces, tasks, hidden, 1))

    def initialize(self, generator: torch.Generator) -> None:
        self.weight.normal_(0.0, math.sqrt(2.0 / self.weight.shape[2]), generator=generator)
        self.head_weight.zero_()

    def forward(self, mixed: Tensor, surface: Tensor) -> Tensor:
        """float32 [n, tasks] of mixed [tasks, n, O] and surface int64 [n or 1], 0 where unknown."""
        at = (surface - 1).clamp_(min=0)
        known = (surface > 0).to(mixed.dtype).unsqueeze(1)
        if len(surface) == 1:  # one request: its surface's towers alone
            hidden = F.relu(torch.baddbmm(self.hidden_bias[at][0], mixed, self.weight[at][0]))
            return torch.bmm(hidden, self.head_weight[at][0]).squeeze(2).T * known
        hidden = F.relu(torch.matmul(mixed, self.weight) + self.hidden_bias)  # [surfaces, tasks, n, hidden]
        every = torch.matmul(hidden, self.head_weight).squeeze(3).permute(2, 1, 0)
        index = at[:, None, None].expand(-1, every.shape[1], 1)
        return every.gather(2, index).squeeze(2) * known
