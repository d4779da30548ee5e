"""MMoE put together from FuxiCTR's own blocks: its package on the registry leaves its model files out."""

from typing import Any

import torch
from fuxictr.pytorch.layers import FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import MultiTaskModel
from torch import nn


class MMoE(MultiTaskModel):
    def __init__(
        self,
        feature_map: Any,
        task: list[str],
        num_tasks: int,
        num_experts: int,
        expert_hidden_units: list[int],
        gate_hidden_units: list[int],
        tower_hidden_units: list[int],
        embedding_dim: int,
        optimizer: str,
        loss: list[str],
        learning_rate: float,
        **rest: Any,
    ) -> None:
        super().__init__(feature_map, model_id="MMoE", task=task, num_tasks=num_tasks, **rest)
        width = feature_map.sum_emb_out_dim()
        self.embed = FeatureEmbedding(feature_map, embedding_dim)
        self.experts = nn.ModuleList(
            MLP_Block(input_dim=width, hidden_units=expert_hidden_units) for _ in range(num_experts)
        )
        self.gates = nn.ModuleList(
            MLP_Block(input_dim=width, hidden_units=gate_hidden_units, output_dim=num_experts)
            for _ in range(num_tasks)
        )
        self.towers = nn.ModuleList(
            MLP_Block(input_dim=expert_hidden_units[-1], hidden_units=tower_hidden_units, output_dim=1)
            for _ in range(num_tasks)
        )
        self.compile(optimizer, loss, learning_rate)
        self.reset_parameters()
        self.model_to_device()

    def forward(self, batch: Any) -> dict[str, Any]:
        flat = self.embed(self.get_inputs(batch)).flatten(start_dim=1)
        experts = torch.stack([expert(flat) for expert in self.experts], dim=1)
        found = {}
        for number, label in enumerate(self.feature_map.labels):
            share = self.gates[number](flat).softmax(dim=1).unsqueeze(2)
            logit = self.towers[number]((share * experts).sum(dim=1))
            found[f"{label}_pred"] = self.output_activation[number](logit)
        return found
