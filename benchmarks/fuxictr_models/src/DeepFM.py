"""DeepFM put together from FuxiCTR's own blocks: its package on the registry leaves its model files out."""

from typing import Any

from fuxictr.pytorch.layers import FactorizationMachine, FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import BaseModel


class DeepFM(BaseModel):
    def __init__(
        self,
        feature_map: Any,
        hidden_units: list[int],
        embedding_dim: int,
        optimizer: str,
        loss: str,
        learning_rate: float,
        **rest: Any,
    ) -> None:
        super().__init__(feature_map, model_id="DeepFM", **rest)
        self.embed = FeatureEmbedding(feature_map, embedding_dim)
        self.wide = FactorizationMachine(feature_map)
        self.deep = MLP_Block(
            input_dim=feature_map.sum_emb_out_dim(), output_dim=1, hidden_units=hidden_units
        )
        self.compile(optimizer, loss, learning_rate)
        self.reset_parameters()
        self.model_to_device()

    def forward(self, batch: Any) -> dict[str, Any]:
        columns = self.get_inputs(batch)
        embedded = self.embed(columns)
        logit = self.wide(columns, embedded) + self.deep(embedded.flatten(start_dim=1))
        return {"y_pred": self.output_activation(logit)}
