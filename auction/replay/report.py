"""What replay and comparison found, in a form to print or to send."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that a decision does not come out with again."""

    request_id: str
    ad_id: int | None
    """Null for a value of the whole layout."""
    field: str
    logged: str
    replayed: str

    def __str__(self) -> str:
        what = self.field if self.ad_id is None else f"ad {self.ad_id}, {self.field}"
        return f"request {self.request_id}, {what}: logged {self.logged}, decided again {self.replayed}"


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Whether the log's decisions are exactly those its policies make."""

    log: str
    decisions: int
    """Decisions decided again."""
    differences: int
    """Decisions of them that differ anywhere. Not 0: a bug, or a log that was changed."""
    not_held: int = 0
    """Decisions without an auction (degraded before it), which have nothing to decide again."""
    by_field: dict[str, int] = field(default_factory=dict)
    """Decisions that differ, by the field they differ in."""
    first: tuple[Difference, ...] = ()
    policies: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        return self.differences == 0

    def to_json(self) -> dict[str, Any]:
        """Plain values; `differences` is 0 for an exact replay."""
        return {**asdict(self), "first": [asdict(one) for one in self.first], "exact": self.exact}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric under two policies, and the interval of their difference."""

    metric: str
    logged: float
    other: float
    difference: float
    low: float | None
    """Lower end of the interval of the difference; null where the log cannot give one."""
    high: float | None
    relative: float | None
    """The difference as a share of the logged total; null where that is 0."""


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """What another policy would have changed, in expectation, over the same slates."""

    log: str
    policy: str
    policy_hash: str
    """Of the policy as given, before a null exposure took the logged one."""
    decisions: int
    changed: int
    """Decisions whose shown ads, positions or prices differ."""
    estimates: tuple[Estimate, ...]
    fill: tuple[float, float]
    """Share of decisions that show an ad: logged, other."""
    method: str
    notes: tuple[str, ...]

    def __getitem__(self, metric: str) -> Estimate:
        return next(one for one in self.estimates if one.metric == metric)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `metrics` maps a metric's name to its estimate."""
        plain = asdict(self)
        plain["metrics"] = {one.metric: asdict(one) for one in self.estimates}
        del plain["estimates"]
        plain["fill"] = {"logged": self.fill[0], "other": self.fill[1]}
        plain["notes"] = list(self.notes)
        return plain
