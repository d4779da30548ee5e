"""What the model is composed of: every block's kind and size."""

from typing import Literal, Self

from pydantic import Field, model_validator

from auction.settings import Settings


class SummaryConfig(Settings):
    """Linear compression of a half's fields into fewer vectors; 0 keeps every field as it is."""

    request: int = Field(0, ge=0, le=256, description="Vectors that stand for the request's fields.")
    ad: int = Field(0, ge=0, le=256, description="Vectors that stand for the ad's fields.")


class InteractionConfig(Settings):
    """Explicit products of features."""

    kind: Literal["none", "fm", "dcn", "stack"] = Field(
        "none",
        description="fm: factorization machine; dcn: cross network; stack: layers that hold both (DHEN).",
    )
    layers: int = Field(1, ge=1, le=8, description="Of dcn and stack.")
    rank: int = Field(0, ge=0, le=1024, description="Of a cross's weight; 0: full.")
    vectors: int = Field(8, ge=1, le=256, description="Vectors between the layers of a stack, and after it.")
    beside: bool = Field(
        False, description="Added to the heads' logits, beside the experts, instead of being read by them."
    )


class SequenceConfig(Settings):
    """The encoder of an action sequence."""

    width: int = Field(32, ge=2, le=512, description="Of an encoded action.")
    heads: int = Field(2, ge=1, le=16, description="Attention heads of the encoder.")
    layers: int = Field(1, ge=0, le=4, description="Of the encoder; 0 attends to the actions as they are.")
    feed_forward: int = Field(64, ge=1, le=2048)
    ages: int = Field(8, ge=2, le=64, description="Knots of the encoding of an action's age.")
    summary: bool = Field(
        False,
        description="The maximum and the newest of the encoded actions as numbers of the request, beside "
        "what each ad finds in them. A maximum grows with a user's history, and scores drift with it.",
    )

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class ModelConfig(Settings):
    """The network: representation, summary, interaction, experts, towers."""

    embedding: int = Field(8, ge=1, le=256, description="Numbers an embedding row holds.")
    products: bool = Field(True, description="Inner products of request and ad embeddings as inputs.")
    summary: SummaryConfig = SummaryConfig()
    interaction: InteractionConfig = InteractionConfig()
    sequence: SequenceConfig | None = Field(
        SequenceConfig(), description="Read where the feature table has a sequence; null: never."
    )
    mixture: Literal["shared_bottom", "mmoe", "ple"] = Field(
        "mmoe", description="How tasks share: one expert; all of them through gates; or some of their own."
    )
    experts: int = Field(4, ge=1, le=32, description="Shared by all tasks.")
    task_experts: int = Field(1, ge=1, le=16, description="Of ple: each task's own.")
    levels: int = Field(1, ge=1, le=4, description="Of ple: extraction layers, one upon the other.")
    hidden: int = Field(64, ge=1, le=4096, description="First layer of each expert.")
    output: int = Field(32, ge=1, le=4096, description="Second layer of each expert.")
    tower: int = Field(16, ge=1, le=1024, description="Hidden layer of each head's tower.")
    surface_tower: int = Field(
        0,
        ge=0,
        le=1024,
        description="Hidden layer of a surface's own towers, added to the shared; 0: none.",
    )

    uncertainty: bool = Field(
        False,
        description="Tasks are weighted by an uncertainty learned with the model.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mixture == "shared_bottom" and self.experts != 1:
            raise ValueError(f"experts: a shared bottom is one expert, not {self.experts}; give experts: 1")
        if self.mixture != "ple" and (self.task_experts, self.levels) != (1, 1):
            raise ValueError("task_experts and levels belong to ple; give mixture: ple, or leave them out")
        return self

    @property
    def first_order(self) -> bool:
        """Whether an embedding row holds one more number: its own weight, without a product (FM's w)."""
        return self.interaction.kind == "fm" and self.interaction.beside
