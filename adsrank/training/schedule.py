"""The learning rate by step: a rise, then a plateau or a fall."""

import math
from dataclasses import dataclass

from adsrank.training.config import ScheduleConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """A factor in [0, 1] of every learning rate; `steps` is how many there are at most."""

    config: ScheduleConfig
    steps: int

    def factor(self, step: int) -> float:
        """Of step 0, 1, ...: linear from 1/w to 1 over the w steps of the warm-up, then as `shape` says.

        cosine: floor + (1 - floor) (1 + cos(pi x)) / 2, x the share of the rest that is over
        (Loshchilov and Hutter, 2017, without restarts); linear: 1 - (1 - floor) x.
        """
        rise = math.ceil(self.config.warmup * self.steps)
        if step < rise:
            return (step + 1) / rise
        over = min(1.0, (step - rise) / max(1, self.steps - rise))
        if self.config.shape == "cosine":
            return self.config.floor + (1 - self.config.floor) * (1 + math.cos(math.pi * over)) / 2
        if self.config.shape == "linear":
            return 1 - (1 - self.config.floor) * over
        return 1.0
