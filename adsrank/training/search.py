"""What a search over training settings tries: a table of settings, each with its values."""

import math
from typing import Any, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from adsrank.errors import InputError
from adsrank.training.config import TrainConfig
from auction.settings import Settings


class Choices(Settings):
    """The values of one setting: a list of them, or a range."""

    values: list[Any] | None = Field(None, min_length=1, max_length=1000)
    low: float | None = None
    high: float | None = None
    log: bool = Field(False, description="Draw evenly by the logarithm.")
    whole: bool = Field(False, description="Round to a whole number.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ranged = self.low is not None and self.high is not None
        if (self.values is None) != ranged or (self.values is not None and self.low is not None):
            raise ValueError("give `values`, or `low` and `high`")
        if self.low is not None and self.high is not None:
            if not self.low < self.high:
                raise ValueError("`low` must be below `high`")
            if self.log and self.low <= 0:
                raise ValueError("with `log`, `low` must be positive")
        return self

    def draw(self, generator: np.random.Generator) -> Any:
        """One value."""
        if self.values is not None:
            return self.values[int(generator.integers(len(self.values)))]
        assert self.low is not None
        assert self.high is not None
        if self.log:
            found = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        else:
            found = generator.uniform(self.low, self.high)
        return round(found) if self.whole else float(found)


class SearchSpace(Settings):
    """Settings by name (`learning_rate`, `model.embedding`), each with its choices."""

    settings: dict[str, Choices] = Field(
        default_factory=lambda: {
            "learning_rate": Choices(low=5e-4, high=8e-3, log=True),
            "embedding_decay": Choices(low=0.5, high=20.0, log=True),
            "weight_decay": Choices(low=1e-6, high=1e-2, log=True),
            "batch_size": Choices(values=[512, 1024, 2048]),
            "model.embedding": Choices(values=[4, 8, 16]),
        },
        min_length=1,
        max_length=64,
    )

    def trials(self, number: int, base: TrainConfig, seed: int) -> list[dict[str, Any]]:
        """Changes to `base`: none in the first trial, drawn in the others, each a legal configuration.

        Raises:
            InputError: a setting is unknown, or a value is refused; names it.
        """
        generator = np.random.Generator(np.random.PCG64(seed))
        found: list[dict[str, Any]] = [{}]
        for _ in range(number - 1):
            changes = {name: choices.draw(generator) for name, choices in self.settings.items()}
            changed(base, changes)
            found.append(changes)
        return found


def changed(base: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    """`base` with settings replaced by their dotted names.

    Raises:
        InputError: a setting is unknown, or a value is refused; names it.
    """
    data = base.model_dump()
    for name, value in changes.items():
        place: Any = data
        *path, last = name.split(".")
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise InputError(name, "unknown", "give a setting of the training configuration")
        place[last] = value
    try:
        return TrainConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise InputError(where, first["input"], first["msg"]) from None
