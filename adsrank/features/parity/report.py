"""What was compared with what, and what differed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adsrank.features.parity.rows import FEATURES, Bool, Rows


@dataclass(slots=True)
class Agreement:
    """One column compared with one way to make it again."""

    column: str
    made_from: str
    equal: int = 0
    different: int = 0
    missing: int = 0
    """Values with nothing to compare them with."""
    first: str | None = None
    """The first difference, in words."""

    def add(self, same: Bool, compared: Bool, rows: Rows, logged: Any, again: Any) -> None:
        wrong = np.flatnonzero(compared & ~same)
        self.different += len(wrong)
        self.equal += int(np.count_nonzero(compared & same))
        self.missing += int(np.count_nonzero(~compared))
        if len(wrong) and self.first is None:
            at = int(wrong[0])
            one, other = _said(logged, at), _said(again, at)
            self.first = f"{rows.name(at)}: logged {one}, made again {other}"


@dataclass(slots=True)
class ParityReport:
    """What was compared, and what could not be."""

    decisions: int = 0
    placements: int = 0
    other_snapshot: int = 0
    """Placements decided with another snapshot than the one at hand."""
    agreements: dict[tuple[str, str], Agreement] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not any(each.different for each in self.agreements.values())

    @property
    def unproven(self) -> list[str]:
        """Logged features that nothing at hand could make again."""
        proven = {name for (name, _), each in self.agreements.items() if each.equal or each.different}
        return [name for name in FEATURES if name not in proven]

    def of(self, column: str, made_from: str) -> Agreement:
        return self.agreements.setdefault((column, made_from), Agreement(column, made_from))

    def to_json(self) -> dict[str, Any]:
        rows = self.agreements.values()
        return {
            "decisions": self.decisions,
            "placements": self.placements,
            "other_snapshot": self.other_snapshot,
            "holds": self.holds,
            "unproven": self.unproven,
            "columns": [{name: getattr(each, name) for name in Agreement.__slots__} for each in rows],
        }


def _said(values: Any, at: int) -> str:
    text = str(values[at])
    return text if len(text) <= 80 else f"{text[:77]}..."
