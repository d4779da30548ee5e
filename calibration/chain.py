"""Calibrators one after the other."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from numpy.typing import ArrayLike

from calibration.base import MAX_DEPTH, Calibrator, restore
from calibration.document import Fields, JsonDict
from calibration.drift import DriftCorrector
from calibration.errors import CalibrationError
from calibration.logit import FloatArray, bounded, log_odds
from calibration.sample import IdArray, Sample, Segments, read_sample
from calibration.sampling import SamplingCorrection

MAX_STEPS = 32


class Chain(Calibrator):
    """The steps in their order, each fitted on what the ones before it make of the scores.

    The chain of a head is ``Chain([SamplingCorrection(0.1), IsotonicCalibrator(),
    SegmentCalibrator("surface"), DriftCorrector()])``: any step may be left out. A sampling correction
    must come first and only once, inner chains included. `fit` leaves the steps it was given as they were
    and learns `steps_`, clones of them.

    Learned: `steps_`.
    """

    kind: ClassVar[str] = "chain"
    steps_: list[Calibrator]

    def __init__(self, steps: Sequence[Calibrator]) -> None:
        self.steps = steps

    def observe(
        self,
        scores: ArrayLike,
        labels: ArrayLike,
        weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        *,
        segment: Segments | None = None,
    ) -> None:
        """Let the drift correctors in the chain learn from events [n] of the model's raw scores.

        Columns as in `fit`; see `DriftCorrector.observe`. A chain without a drift corrector refuses it.
        """
        self._require_fitted()
        if not self._drifts():
            raise CalibrationError("steps", self.steps, "a DriftCorrector among the steps")
        sample = read_sample(scores, labels, weight, exposure, segment)
        self._observe(sample.with_scores(log_odds(sample.scores)))

    def _observe(self, sample: Sample) -> None:
        learn: list[tuple[DriftCorrector | Chain, Sample]] = []
        for step in self.steps_:
            if isinstance(step, DriftCorrector) or (isinstance(step, Chain) and step._drifts()):
                learn.append((step, sample))
            sample = sample.with_scores(bounded(step._map(sample.scores, sample.segment)))
        # Only now: a step must see what the ones before it said when the events happened.
        for step, seen in learn:
            step._observe(seen)

    def _drifts(self) -> bool:
        return any(isinstance(step, DriftCorrector) for step in _flat(self.steps_))

    def segment_keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for step in self.steps for key in step.segment_keys()))

    def clone(self) -> Self:
        return type(self)([step.clone() for step in self.steps])

    def _check(self) -> None:
        if not isinstance(self.steps, Sequence) or not 1 <= len(self.steps) <= MAX_STEPS:
            raise CalibrationError("steps", self.steps, f"a list of 1 to {MAX_STEPS} calibrators")
        if _deeper(self, MAX_DEPTH):
            raise CalibrationError(
                "steps", "nested too deep", f"at most {MAX_DEPTH - 1} chains in each other"
            )
        for k, step in enumerate(self.steps):
            if not isinstance(step, Calibrator):
                raise CalibrationError(f"steps[{k}]", step, "a calibrator")
            step._check()
        for k, step in enumerate(_flat(self.steps)):
            if k and isinstance(step, SamplingCorrection):
                raise CalibrationError(
                    f"steps[{k}]", step, "a sampling correction once and first, before what is fitted"
                )

    def _fit(self, sample: Sample) -> None:
        steps = []
        for step in self.steps:
            made = step.clone()
            made._fit(sample.in_order())
            sample = sample.with_scores(bounded(made._map(sample.scores, sample.segment)))
            steps.append(made)
        self.steps_ = steps

    def _map(self, z: FloatArray, segment: Mapping[str, IdArray]) -> FloatArray:
        for step in self.steps_:
            z = bounded(step._map(z, segment))
        return z

    def _params(self) -> JsonDict:
        return {}

    def _state(self) -> JsonDict:
        return {"steps": [step.to_json() for step in self.steps_]}

    @classmethod
    def _restore(cls, params: Fields, state: Fields, depth: int) -> Self:
        steps = [restore(child, depth - 1) for child in state.children("steps", MAX_STEPS)]
        made = cls([step.clone() for step in steps])
        made.steps_ = steps
        return made


def _deeper(step: object, levels: int) -> bool:
    """Whether a document of it would have more levels than `from_json` reads."""
    inner = step.steps if isinstance(step, Chain) and isinstance(step.steps, Sequence) else ()
    return levels <= 0 or any(_deeper(part, levels - 1) for part in inner)


def _flat(steps: Sequence[Calibrator]) -> list[Calibrator]:
    """The steps with chains opened."""
    flat: list[Calibrator] = []
    for step in steps:
        inner = (getattr(step, "steps_", None) or step.steps) if isinstance(step, Chain) else None
        flat.extend(_flat(inner) if inner is not None else [step])
    return flat
