"""What every calibrator is: a strictly increasing map from scores to probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from calibration.document import Fields, JsonDict, parse
from calibration.errors import CalibrationError, NotFittedError
from calibration.logit import FloatArray, bounded, log_odds, probability
from calibration.parameters import Parameters
from calibration.sample import IdArray, Sample, Segments, read_logits, read_sample, read_scores, read_segments

MIN_SLOPE = 0.01
"""Least slope of a fitted map on log-odds: a map as good as flat would leave the order to rounding."""
MAX_SLOPE = 20.0
FORMAT_VERSION = 1
MAX_DEPTH = 4

_KINDS: dict[str, type["Calibrator"]] = {}


class Calibrator(Parameters, ABC):
    """A strictly increasing map from a model's scores to probabilities, learned from labels.

    The constructor only stores its named parameters; `fit` checks them, learns, and returns self; what
    was learned ends in an underscore. A subclass gives `_fit`, `_map`, `_state` and `_restore`, and works
    on log-odds throughout.

    Strictly increasing means: scores between 1e-15 and 1 - 1e-9 that differ by more than rounding get
    different probabilities, in the same order (within a segment, where there are segments).
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "kind" in cls.__dict__:
            if cls.kind in _KINDS and _KINDS[cls.kind].__qualname__ != cls.__qualname__:
                raise TypeError(f"two calibrators of kind {cls.kind!r}")
            _KINDS[cls.kind] = cls

    def fit(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        segment: Segments | None = None,
    ) -> Self:
        """Learn the map.

        scores: [n] probabilities in [0, 1]; labels: [n] of 0 or 1; weight: [n] >= 0, default 1, as how many
        rows each counts (weights that add up to 1 are one row's worth: little against the priors);
        exposure: [n] in (0, 1], default 1: the label happens with probability exposure * p (an ad that
        is examined with that probability), so that p locally estimates sum(label) / sum(exposure);
        segment: columns of ids by name, for the calibrators that ask for them (`segment_keys`).

        Use data that the model was not trained on, and of a later time. The same rows in any order give
        the same map to the bit. Raises `CalibrationError`.
        """
        sample = read_sample(scores, labels, weight, exposure, segment)
        self._check()
        self._fit(sample.with_scores(log_odds(sample.scores)).in_order())
        return self

    def transform(self, scores: ArrayLike, *, segment: Segments | None = None) -> FloatArray:
        """Probabilities [n] in (0, 1), float64, of scores [n] in [0, 1].

        Each row's result depends on that row alone, to the bit, whatever it is batched with.
        """
        p = read_scores(scores)
        return probability(self._apply(log_odds(p), read_segments(segment, len(p))))

    def transform_logit(self, logits: ArrayLike, *, segment: Segments | None = None) -> FloatArray:
        """Probabilities [n] of a model's logits [n]: `transform` without passing through rounded scores."""
        z = read_logits(logits)
        return probability(self._apply(z, read_segments(segment, len(z))))

    def segment_keys(self) -> tuple[str, ...]:
        """Names of the segment columns that `fit` needs and `transform` uses."""
        return ()

    def to_json(self) -> JsonDict:
        """A document that `from_json` turns back into the same map, bit for bit."""
        self._require_fitted()
        return {
            "kind": self.kind,
            "version": FORMAT_VERSION,
            "params": self._params(),
            "state": self._state(),
        }

    def _apply(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        self._require_fitted()
        return bounded(self._map(z, segment))

    def _require_fitted(self) -> None:
        if not self._fitted():
            raise NotFittedError(self.kind)

    def _params(self) -> JsonDict:
        return self.plain_params()

    @abstractmethod
    def _check(self) -> None:
        """Raise `CalibrationError` for a parameter out of its range."""

    @abstractmethod
    def _fit(self, sample: Sample) -> None:
        """Learn from rows in canonical order whose scores are log-odds."""

    @abstractmethod
    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        """Log-odds of the scores to log-odds of the probabilities, row by row."""

    @abstractmethod
    def _state(self) -> JsonDict:
        """What was learned."""

    @classmethod
    @abstractmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        """The fitted calibrator, from checked fields."""


def from_json(source: str | bytes | Mapping[str, Any], file: str | None = None) -> Calibrator:
    """The calibrator that `to_json` wrote, from JSON text or the parsed object.

    The document is not trusted: an unknown kind, version or field, a number that is not finite, knots
    that do not increase, or too many of them, raise `CalibrationError` naming the field (and the `file`,
    if its name is given).
    """
    return restore(parse(source, file), MAX_DEPTH)


def restore(document: Fields, depth: int) -> Calibrator:
    """`from_json` of an object inside a document, `depth` levels of nesting being left."""
    if depth <= 0:
        raise document.refuse("kind", "nested too deep", f"at most {MAX_DEPTH - 1} chains in each other")
    kind = document.text("kind", 32)
    if kind not in _KINDS:
        raise document.refuse("kind", kind, f"one of {sorted(_KINDS)}")
    version = document.integer("version", 1, 2**31)
    if version != FORMAT_VERSION:
        raise document.refuse("version", version, f"{FORMAT_VERSION}: this release reads no other")
    params, state = document.child("params"), document.child("state")
    made = _KINDS[kind]._restore(params, state, depth)
    for part in (params, state, document):
        part.end()
    try:
        made._check()
    except CalibrationError as error:
        raise params.refuse(error.field, error.value, error.fix) from error
    return made
