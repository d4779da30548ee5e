"""How a model is trained."""

from typing import Literal, Self

from pydantic import Field, model_validator

from adsrank.models.config import ModelConfig
from adsrank.models.exposure import ExposureConfig
from adsrank.models.heads import DEFAULT_HEADS, check_heads
from adsrank.models.two_tower import TowerWidths
from adsrank.training.delay.targets import LateConversions
from auction.settings import Settings


class SplitConfig(Settings):
    """Shares of the mature rows (attribution window over), by time; what is later is for the test."""

    train: float = Field(0.70, gt=0, lt=1)
    calibrate: float = Field(0.18, gt=0, lt=1)

    @model_validator(mode="after")
    def _leaves_a_test(self) -> Self:
        if self.train + self.calibrate > 0.99:
            raise ValueError("train + calibrate must leave at least 0.01 for the test")
        return self


class TowersConfig(TowerWidths):
    """Widths of the two towers, and how they are fitted."""

    epochs: int = Field(8, ge=1, le=1000)
    batch_size: int = Field(512, ge=16, le=1_000_000)
    learning_rate: float = Field(3e-3, gt=0, le=1)

    def widths(self) -> TowerWidths:
        """What a bundle keeps of it."""
        return TowerWidths(dim=self.dim, hidden=self.hidden, match=self.match)


class FirstStageConfig(Settings):
    """What cuts candidates before the model: a booster (the default), or two towers."""

    kind: Literal["xgboost", "two_tower"] = "xgboost"
    rows: int = Field(60_000, ge=100, description="Rows it is distilled on, half of them re-paired.")
    shrinkage: float = Field(5.0, ge=0, description="Rows of prior belief in an ad's mean score.")
    trees: int = Field(40, ge=1, le=200, description="Of xgboost, as are depth and learning_rate.")
    depth: int = Field(4, ge=1, le=8)
    learning_rate: float = Field(0.2, gt=0, le=1)
    towers: TowersConfig = Field(TowersConfig(), description="Of two_tower.")


class ScheduleConfig(Settings):
    """How the learning rates go up and down: a factor of both, by step over all epochs."""

    warmup: float = Field(0.0, ge=0, lt=1, description="Share of the steps in which it rises from 0 to 1.")
    shape: Literal["constant", "cosine", "linear"] = Field("constant", description="What follows the rise.")
    floor: float = Field(0.0, ge=0, le=1, description="Where cosine and linear end.")


class TrainConfig(Settings):
    """Everything that decides how a bundle comes out, beside the table and the features."""

    seed: int = Field(7, ge=0, lt=2**63)
    threads: int = Field(1, ge=1, le=256, description="With one thread a seed fixes every bit.")
    embedding_space: str = Field("builtin-v1", max_length=64, description="Space of the similarities.")
    batch_size: int = Field(1024, ge=16, le=1_000_000)
    epochs: int = Field(5, ge=1, le=1000, description="At most.")
    patience: int = Field(2, ge=1, description="Epochs without a better loss on later rows before stopping.")
    learning_rate: float = Field(2e-3, gt=0, le=1)
    embedding_learning_rate: float | None = Field(
        None, gt=0, le=1, description="Of embeddings; without it they take `learning_rate`."
    )
    schedule: ScheduleConfig = ScheduleConfig()
    embedding_update: Literal["auto", "dense", "lazy"] = Field(
        "auto",
        description="dense: Adam moves every row at each step; lazy: only the rows a batch met; auto: lazy "
        "from 200,000 rows on.",
    )
    embedding_decay: float = Field(5.0, ge=0, le=100, description="Decoupled weight decay of embeddings.")
    embedding_epsilon: float = Field(
        1e-4,
        gt=0,
        le=1,
        description="Adam's epsilon for embeddings: gradients well below it make small steps, so that an id "
        "seen a few times stays near where it began.",
    )
    weight_decay: float = Field(1e-4, ge=0, le=10, description="Decoupled weight decay of the rest.")
    window_rows: int = Field(
        1_000_000,
        ge=1000,
        le=1_000_000_000,
        description="Rows held in memory at once. A longer table is streamed: it is encoded into files, and "
        "an epoch shuffles blocks of it and the rows of a window.",
    )
    unknown_rate: float = Field(
        0.02, ge=0, lt=1, description="Share of ad ids replaced by 'any other', so that new ads are known of."
    )
    entire_space: float = Field(0.5, ge=0, le=10, description="Weight of the loss on click and conversion.")
    attribution_days: float = Field(3.0, ge=0, le=90, description="A click's window for its conversion.")
    late_conversions: LateConversions = Field(
        "mature_only",
        description="Clicks whose window is open: mature_only leaves them out, naive takes them as they are, "
        "importance reweights by how much is known at their age, delayed_feedback models the delay.",
    )
    task_weights: dict[str, float] = Field(
        default_factory=dict, description="Of a head's loss, where it is not 1. See also model.uncertainty."
    )
    heads: tuple[str, ...] = Field(
        DEFAULT_HEADS, description="long_click and order_value too where the table has their labels."
    )
    refit_calibrators: bool = Field(
        True, description="After the test is reported, fit them again on calibration and test rows together."
    )
    learn_exposure: bool = Field(True, description="False: every ad counts as fully seen.")
    model: ModelConfig = ModelConfig()
    exposure: ExposureConfig = ExposureConfig()
    split: SplitConfig = SplitConfig()
    first_stage: FirstStageConfig = FirstStageConfig()

    @model_validator(mode="after")
    def _heads_known(self) -> Self:
        check_heads(self.heads)
        for head, weight in self.task_weights.items():
            if head not in self.heads:
                raise ValueError(f"task_weights: {head!r} is none of the heads {self.heads}")
            if not 0 <= weight <= 1000:
                raise ValueError(f"task_weights.{head}: {weight}; give a number from 0 to 1000")
        return self
