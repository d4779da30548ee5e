"""What a log's market could have earned at each organic cost, and where its policy stands."""

from dataclasses import dataclass
from typing import Any

from auction.blend.bound import Bound
from auction.blend.dual import Choice
from auction.blend.point import Point


@dataclass(frozen=True, slots=True)
class Frontier:
    """Every policy that was measured, the best of them, and the answer to the bound."""

    log: str
    decisions: int
    """Decisions measured ..."""
    of: int
    """... of the log's."""
    seed: int
    points: tuple[Point, ...]
    current: int
    """Index of the policy that is tuned, as it is."""
    hull: tuple[int, ...]
    """Indexes of the concave hull's points, by rising organic loss."""
    bound: Bound
    choice: Choice
    method: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; points by name."""
        names = [point.policy.name for point in self.points]
        choice = self.choice
        return {
            "log": self.log,
            "decisions": self.decisions,
            "of": self.of,
            "seed": self.seed,
            "bound": {
                "max_organic_loss": self.bound.max_organic_loss,
                "min_revenue": self.bound.min_revenue,
            },
            "current": names[self.current],
            "hull": [names[at] for at in self.hull],
            "choice": {
                "single": names[choice.single],
                "mixture": {names[choice.low]: 1 - choice.high_share, names[choice.high]: choice.high_share}
                if choice.low != choice.high
                else {names[choice.low]: 1.0},
                "multiplier": choice.multiplier,
                "organic_loss": choice.organic_loss,
                "revenue": choice.revenue,
            },
            "points": [point.to_json() for point in self.points],
            "method": self.method,
            "notes": list(self.notes),
        }
