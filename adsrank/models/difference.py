"""What changed from one bundle to another."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from adsrank.errors import InputError
from adsrank.models.admission import log_odds
from adsrank.models.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Change:
    """A value of the one bundle and of the other; None where one has none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class WeightChange:
    """Euclidean norms of a tensor, and of its change relative to the norm before.

    `relative` is None where the two do not correspond: other shapes, or embeddings of other vocabularies.
    """

    name: str
    before: float | None
    after: float | None
    relative: float | None


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """How differently the two answer the same rows: |difference| in log-odds."""

    name: str
    mean: float
    largest: float


@dataclass(frozen=True, slots=True)
class Difference:
    """All of it; an empty part is an equal part."""

    before: str
    after: str
    fields: list[Change]
    metrics: list[Change]
    vocabularies: list[Change]
    weights: list[WeightChange]
    scores: list[ScoreChange]
    unscored: str = ""
    """Why there are no scores: the rows lack a column that the other bundle reads."""

    @property
    def equal(self) -> bool:
        return self.before == self.after


def compare(before: Bundle, after: Bundle) -> Difference:
    """Manifest, held-out figures, vocabulary sizes, weights, and answers on the sample of `after`."""
    scores, unscored = _scores(before, after)
    return Difference(
        before=before.id,
        after=after.id,
        fields=_changes(_described(before), _described(after)),
        metrics=_changes(_figures(before), _figures(after)),
        vocabularies=_changes(_sizes(before), _sizes(after)),
        weights=_weights(before, after),
        scores=scores,
        unscored=unscored,
    )


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = [Change(name, before.get(name), after.get(name)) for name in names]
    return [pair for pair in pairs if pair.before != pair.after]


def _described(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest.model_dump(mode="json", exclude={"files", "held_out", "exposure"})
    rows = {f"feature {row.name}": row.model_dump(mode="json") for row in bundle.transform.spec.features}
    return flat({**manifest, **rows})


def _figures(bundle: Bundle) -> dict[str, Any]:
    return flat({head: held.model_dump() for head, held in bundle.manifest.held_out.items()})


def _sizes(bundle: Bundle) -> dict[str, Any]:
    return {name: encoder.size for name, encoder in bundle.transform.encoders_.items()}


def flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one table: {"a": {"b": 1}} -> {"a.b": 1}."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _weights(before: Bundle, after: Bundle) -> list[WeightChange]:
    one, other = _tensors(before), _tensors(after)
    same_rows = before.manifest.files["transform.json"] == after.manifest.files["transform.json"]
    found = []
    for name in [*one, *(name for name in other if name not in one)]:
        first, second = one.get(name), other.get(name)
        relative = None
        if first is not None and second is not None and first.shape == second.shape:
            if np.array_equal(first, second):
                continue
            if same_rows or first.shape[:1] != (before.transform.rows_,):
                relative = float(np.linalg.norm(second - first)) / max(float(np.linalg.norm(first)), 1e-12)
        found.append(WeightChange(name, _norm(first), _norm(second), relative))
    return found


def _tensors(bundle: Bundle) -> dict[str, np.ndarray]:
    network = {name: value.detach().numpy() for name, value in bundle.network.state_dict().items()}
    return network | {f"first_stage.{name}": value for name, value in bundle.first_stage.tensors().items()}


def _norm(tensor: np.ndarray | None) -> float | None:
    return None if tensor is None else float(np.linalg.norm(tensor))


def _scores(before: Bundle, after: Bundle) -> tuple[list[ScoreChange], str]:
    rows = after.sample.columns
    try:
        answers = [
            bundle.calibrate(bundle.score(rows)) | {"prerank": bundle.prerank(rows)}
            for bundle in (before, after)
        ]
    except InputError as error:
        return [], str(error)
    found = []
    for name in answers[1]:
        if name in answers[0]:
            apart = np.abs(log_odds(answers[1][name]) - log_odds(answers[0][name]))
            found.append(ScoreChange(name, float(apart.mean()), float(apart.max())))
    return found, ""
