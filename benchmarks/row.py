"""One figure of a benchmark."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A named value; `to_reach` is the bound it should keep, such as ``>= 0.8``, or None."""

    name: str
    value: float
    unit: str
    to_reach: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the bound is kept; None without one."""
        if self.to_reach is None:
            return None
        bound = re.fullmatch(r"(<=|>=|<|>|==) *([-+0-9._eE]+)", self.to_reach.strip())
        if bound is None:
            raise ValueError(f"to_reach: {self.to_reach!r}; give a bound such as '>= 0.8'")
        return _COMPARE[bound[1]](self.value, float(bound[2]))
