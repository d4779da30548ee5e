"""The ends of an interval, as they are reported."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper end; null where the log cannot give one."""

    low: float | None
    high: float | None

    @classmethod
    def of(cls, low: float, high: float) -> "Interval":
        """Of a bootstrap's ends."""
        return cls(end(low), end(high))


def end(value: float) -> float | None:
    """One end of a bootstrap's (`auction.replay.bootstrap.interval`), where NaN says that there is none."""
    return None if math.isnan(value) else float(value)
