"""Experts and gates: what the tasks share, and what each keeps for itself."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adsrank.models.blocks.split_linear import SplitLinear, initialize
from adsrank.models.config import ModelConfig


class Mixing(nn.Module):
    """z_t = sum_e g_te f_e, g_t = softmax over the experts that task t may read.

    A task reads all `shared` experts and its `own`; with a `pool`, one more row reads every expert: it is
    what the shared experts of the next level build on.
    """

    def __init__(self, tasks: int, shared: int, own: int, pool: bool) -> None:
        super().__init__()
        self.tasks, self.shared, self.own = tasks, shared, own
        self.experts = shared + tasks * own
        self.gates = 0 if self.experts == 1 else tasks * (shared + own) + (self.experts if pool else 0)
        """Logits that `forward` wants: the tasks' in their order, then the pool's."""

    def forward(self, expert: Tensor, logits: Tensor | None) -> Tensor:
        """float32 [tasks (+ 1 with a pool, last), n, O] of expert [experts, n, O] and logits [n, gates]."""
        if logits is None:
            return expert.expand(self.tasks, -1, -1)
        n, mine = logits.shape[0], self.tasks * (self.shared + self.own)
        # Experts first: a softmax over a handful of neighbours is slower than over as many rows.
        gate = (
            logits[:, :mine].view(n, self.tasks, -1).permute(2, 0, 1).contiguous().softmax(0).permute(1, 2, 0)
        )
        mixed = torch.bmm(gate[:, :, : self.shared], expert[: self.shared].transpose(0, 1)).transpose(0, 1)
        if self.own:
            kept = expert[self.shared :].view(self.tasks, self.own, n, -1)
            mixed = mixed + (gate[:, :, self.shared :].permute(1, 2, 0).unsqueeze(3) * kept).sum(1)
        if mine == logits.shape[1]:
            return mixed
        pool = torch.bmm(logits[:, mine:].softmax(1).unsqueeze(1), expert.transpose(0, 1)).transpose(0, 1)
        return torch.cat([mixed, pool])


class Extraction(nn.Module):
    """A further level of progressive layered extraction: its experts read what the level below mixed."""

    def __init__(self, tasks: int, config: ModelConfig, pool: bool) -> None:
        super().__init__()
        self.mixing = Mixing(tasks, config.experts, config.task_experts, pool)
        width, count = config.output, self.mixing.experts
        self.first_weight = nn.Parameter(torch.empty(count, width, config.hidden))
        self.first_bias = nn.Parameter(torch.zeros(count, 1, config.hidden))
        self.second_weight = nn.Parameter(torch.empty(count, config.hidden, width))
        self.second_bias = nn.Parameter(torch.zeros(count, 1, width))
        self.gate_weight = nn.Parameter(torch.empty(tasks, width, config.experts + config.task_experts))
        self.pool_weight = nn.Parameter(torch.empty(width, count)) if pool else None

    def initialize(self, generator: torch.Generator) -> None:
        for weight in (self.first_weight, self.second_weight):
            weight.normal_(0.0, math.sqrt(2.0 / weight.shape[1]), generator=generator)
        for gate in (self.gate_weight, self.pool_weight):
            if gate is not None:
                gate.normal_(0.0, 0.1 * math.sqrt(2.0 / gate.shape[-2]), generator=generator)

    def forward(self, below: Tensor) -> Tensor:
        """float32 [tasks (+ 1), n, O] of [tasks + 1, n, O]."""
        tasks, n = self.mixing.tasks, below.shape[1]
        own = below[:tasks].repeat_interleave(self.mixing.own, 0)
        read = torch.cat([below[tasks:].expand(self.mixing.shared, -1, -1), own])
        hidden = F.relu_(torch.baddbmm(self.first_bias, read, self.first_weight))
        expert = F.relu_(torch.baddbmm(self.second_bias, hidden, self.second_weight))
        gate = torch.bmm(below[:tasks], self.gate_weight).transpose(0, 1).reshape(n, -1)
        if self.pool_weight is not None:
            gate = torch.cat([gate, below[tasks] @ self.pool_weight], 1)
        mixed: Tensor = self.mixing(expert, gate)
        return mixed


class Experts(nn.Module):
    """Two-layer experts, stacked into one matrix product a layer, and a mix of them a task.

    shared_bottom: one expert that every task reads (Caruana, 1997). mmoe: each task mixes all experts
    through a gate of its own (Ma et al., KDD 2018). ple: each task mixes the shared experts and its own,
    on one level (customized gate control) or several (Tang et al., RecSys 2020).
    """

    def __init__(self, request: int, ad: int, tasks: int, config: ModelConfig) -> None:
        super().__init__()
        own = config.task_experts if config.mixture == "ple" else 0
        levels = config.levels
        self.mixing = Mixing(tasks, config.experts, own, pool=levels > 1)
        count = self.mixing.experts
        self.first = SplitLinear(request, ad, count * config.hidden)
        self.second_weight = nn.Parameter(torch.empty(count, config.hidden, config.output))
        self.second_bias = nn.Parameter(torch.zeros(count, 1, config.output))
        self.gate = SplitLinear(request, ad, self.mixing.gates) if self.mixing.gates else None
        self.above = nn.ModuleList(
            Extraction(tasks, config, pool=level < levels - 1) for level in range(1, levels)
        )

    def initialize(self, generator: torch.Generator) -> None:
        layers = [(self.first, 1.0)]
        if self.gate is not None:
            layers.append((self.gate, 0.1))  # gates start near even
        initialize(layers, generator)
        deviation = math.sqrt(2.0 / self.second_weight.shape[1])
        self.second_weight.normal_(0.0, deviation, generator=generator)
        for level in self.above:
            cast(Extraction, level).initialize(generator)

    def forward(self, request: Tensor, ad: Tensor) -> Tensor:
        """float32 [tasks, n, O] of request [n or 1, ...] and ad [n, ...]."""
        n, (count, width, _) = ad.shape[0], self.second_weight.shape
        # In place: the largest tensor of a request is not allocated twice.
        hidden = F.relu_(self.first(request, ad)).view(n, count, width).transpose(0, 1)
        expert = F.relu_(torch.baddbmm(self.second_bias, hidden, self.second_weight))
        mixed: Tensor = self.mixing(expert, None if self.gate is None else self.gate(request, ad))
        for level in self.above:
            mixed = level(mixed)
        return mixed
