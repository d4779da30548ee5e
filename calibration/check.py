"""What any calibrator must do: one suite of checks that every one of them passes."""

import copy
import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from calibration.base import Calibrator, from_json
from calibration.errors import CalibrationError, NotFittedError
from calibration.logit import LOGIT_HIGH, LOGIT_LOW, FloatArray


def _expect(condition: object, otherwise: str) -> None:
    """An assert that `python -O` keeps."""
    if not condition:
        raise AssertionError(otherwise)


class _Data(NamedTuple):
    scores: FloatArray
    labels: FloatArray
    weight: FloatArray
    exposure: FloatArray
    segment: dict[str, list[str]]


def check_calibrator(calibrator: Calibrator, seed: int = 0) -> None:
    """Raise AssertionError, saying what is wrong, unless the calibrator keeps every rule of the class.

    calibrator: an instance, fitted or not; it is cloned and left as it is.
    """
    before = repr(calibrator)
    for name, data in _worlds(calibrator, np.random.default_rng(seed)).items():
        for check in CHECKS:
            try:
                check(calibrator.clone(), data)
            except AssertionError as error:
                raise AssertionError(f"{calibrator!r}, {check.__name__} on {name}: {error}") from error
    _expect(repr(calibrator) == before, "a parameter was changed by a fit")


def _worlds(calibrator: Calibrator, rng: np.random.Generator) -> dict[str, _Data]:
    """Rare and balanced labels, a wrong order, equal scores, separable labels, one class, one row."""

    def world(n: int, logits: FloatArray, truth: FloatArray) -> _Data:
        exposure = rng.uniform(0.2, 1.0, n)
        labels = (rng.random(n) < exposure * expit(truth)).astype(np.float64)
        segment = {key: rng.choice(["a", "b", "c"], n).tolist() for key in calibrator.segment_keys()}
        return _Data(expit(logits), labels, rng.uniform(0.5, 2.0, n), exposure, segment)

    n = 600
    z = rng.normal(0.0, 1.5, n)
    far = np.where(rng.random(n) < 0.5, -6.0, 6.0)
    return {
        "rare labels": world(n, z - 3.0, 1.4 * z - 2.5),
        "balanced labels": world(n, z, 0.6 * z),
        "scores in the wrong order": world(n, z, -2.0 * z),
        "equal scores": world(n, np.zeros(n), z),
        "separable labels": world(n, far, 100.0 * far),
        "no positives": world(n, z - 3.0, np.full(n, -800.0)),
        "no negatives": world(n, z, np.full(n, 800.0))._replace(labels=np.ones(n)),
        "one row": world(1, z[:1], z[:1]),
    }


def _fit(calibrator: Calibrator, data: _Data) -> Calibrator:
    return calibrator.fit(data.scores, data.labels, data.weight, data.exposure, segment=data.segment)


def _grid(calibrator: Calibrator) -> tuple[FloatArray, dict[str, list[str]]]:
    """Scores 1e-3 of log-odds apart, all of those that keep their order, of one segment."""
    scores = expit(np.arange(LOGIT_LOW, LOGIT_HIGH, 1e-3))
    return scores, {key: ["b"] * len(scores) for key in calibrator.segment_keys()}


def check_fit_returns_the_calibrator_itself(calibrator: Calibrator, data: _Data) -> None:
    """`fit` returns self and keeps the parameters."""
    before = repr(calibrator)
    _expect(_fit(calibrator, data) is calibrator, "fit must return self")
    _expect(repr(calibrator) == before, "fit must not change the parameters")


def check_the_map_is_strictly_increasing(calibrator: Calibrator, data: _Data) -> None:
    """No tie and no turn, within a segment and for an unknown one."""
    _fit(calibrator, data)
    scores, segment = _grid(calibrator)
    for columns in (segment, {key: ["never seen"] * len(scores) for key in segment}, None):
        steps = np.diff(calibrator.transform(scores, segment=columns))
        _expect((steps > 0.0).all(), f"step {steps.min()!r} at score {scores[int(steps.argmin())]!r}")


def check_probabilities_lie_inside_zero_and_one(calibrator: Calibrator, data: _Data) -> None:
    """Even for scores of exactly 0 and 1, as float32 models give them."""
    _fit(calibrator, data)
    found = calibrator.transform(np.array([0.0, 1e-300, 1e-9, 0.5, 1.0 - 1e-9, 1.0]))
    _expect(found.dtype == np.float64, f"float64, not {found.dtype}")
    _expect(((found > 0.0) & (found < 1.0)).all(), f"{found} leaves (0, 1)")


def check_a_row_does_not_depend_on_its_batch(calibrator: Calibrator, data: _Data) -> None:
    """Bit for bit: the engine scores one request, replay a million rows."""
    _fit(calibrator, data)
    scores, segment = data.scores[:67], {key: ids[:67] for key, ids in data.segment.items()}
    whole = calibrator.transform(scores, segment=segment)
    for k in range(len(scores)):
        alone = calibrator.transform(
            scores[k : k + 1], segment={key: ids[k : k + 1] for key, ids in segment.items()}
        )
        _expect(alone[0] == whole[k], f"row {k}: {alone[0]!r} alone, {whole[k]!r} in its batch")
    _expect(len(calibrator.transform([])) == 0, "no rows give no rows")


def check_transform_changes_nothing(calibrator: Calibrator, data: _Data) -> None:
    """Neither the calibrator nor its input."""
    _fit(calibrator, data)
    before, scores = json.dumps(calibrator.to_json()), data.scores.copy()
    first = calibrator.transform(scores, segment=data.segment)
    second = calibrator.transform(scores, segment=data.segment)
    _expect((first == second).all(), "the second call answers otherwise")
    _expect((scores == data.scores).all(), "the input was changed")
    _expect(json.dumps(calibrator.to_json()) == before, "the state was changed")


def check_json_gives_the_same_bits(calibrator: Calibrator, data: _Data) -> None:
    """Through text and back."""
    _fit(calibrator, data)
    text = json.dumps(calibrator.to_json(), allow_nan=False)
    again = from_json(text)
    _expect(type(again) is type(calibrator), f"came back as {type(again).__name__}")
    _expect(json.dumps(again.to_json()) == text, "the document changed on its way")
    scores, segment = _grid(calibrator)
    same = calibrator.transform(scores, segment=segment) == again.transform(scores, segment=segment)
    _expect(same.all(), "the map changed on its way")


def check_the_order_of_rows_does_not_matter(calibrator: Calibrator, data: _Data) -> None:
    """Bit for bit."""
    order = np.random.default_rng(1).permutation(len(data.scores))
    shuffled = _Data(
        data.scores[order],
        data.labels[order],
        data.weight[order],
        data.exposure[order],
        {key: [ids[k] for k in order.tolist()] for key, ids in data.segment.items()},
    )
    first, second = _fit(calibrator, data).to_json(), _fit(calibrator.clone(), shuffled).to_json()
    _expect(first == second, "another order of the rows gave another map")


def check_a_row_without_weight_does_not_matter(calibrator: Calibrator, data: _Data) -> None:
    """Bit for bit."""
    extra = _Data(
        np.append(data.scores, 0.987),
        np.append(data.labels, 1.0),
        np.append(data.weight, 0.0),
        np.append(data.exposure, 0.5),
        {key: [*ids, "a"] for key, ids in data.segment.items()},
    )
    first, second = _fit(calibrator, data).to_json(), _fit(calibrator.clone(), extra).to_json()
    _expect(first == second, "a row of weight 0 changed the map")


def check_a_clone_has_learned_nothing(calibrator: Calibrator, data: _Data) -> None:
    """A clone has the parameters and not the state; a deep copy has both."""
    _fit(calibrator, data)
    copied = copy.deepcopy(calibrator)
    _expect(copied.to_json() == calibrator.to_json(), "a deep copy differs")
    clone = calibrator.clone()
    _expect(repr(clone) == repr(calibrator), "a clone has other parameters")
    _expect(_fit(clone, data).to_json() == calibrator.to_json(), "a clone fits to something else")
    params = calibrator.get_params()
    stored = vars(type(calibrator)(**params))
    _expect(stored.keys() == params.keys(), "the constructor must only store its parameters")


def check_parameters_are_read_and_set(calibrator: Calibrator, data: _Data) -> None:
    """By name, as scikit-learn's searches do; an unknown name is refused."""
    before = repr(calibrator)
    _expect(calibrator.set_params(**calibrator.get_params()) is calibrator, "set_params must return self")
    _expect(repr(calibrator) == before, "setting what is set changed a parameter")
    try:
        calibrator.set_params(no_such_parameter=1)
    except CalibrationError as error:
        _expect(error.field == "no_such_parameter", f"blamed on {error.field}")
    else:
        raise AssertionError("an unknown parameter was stored")


def check_bad_input_is_refused(calibrator: Calibrator, data: _Data) -> None:
    """With a typed error that names the column."""
    _fit(calibrator, data)
    n = len(data.scores)
    bad: dict[str, tuple[object, ...]] = {
        "scores": (np.full(n, np.nan), data.labels),
        "labels": (data.scores, np.full(n, 0.5)),
        "weight": (data.scores, data.labels, np.full(n, -1.0)),
        "exposure": (data.scores, data.labels, None, np.zeros(n)),
    }
    for column, arguments in bad.items():
        try:
            calibrator.clone().fit(*arguments, segment=data.segment)  # type: ignore[arg-type]
        except CalibrationError as error:
            _expect(error.field.startswith(column), f"bad {column} is blamed on {error.field}")
        else:
            raise AssertionError(f"bad {column} was accepted")
    for value in (np.nan, -0.1, 1.1):
        try:
            calibrator.transform([0.5, value])
        except CalibrationError as error:
            _expect(error.field == "scores[1]", f"blamed on {error.field}")
        else:
            raise AssertionError(f"transform accepted {value}")


def check_an_unfitted_one_says_so(calibrator: Calibrator, data: _Data) -> None:
    """Unless there is nothing to learn: then it answers in order."""
    try:
        found = calibrator.transform([0.2, 0.4])
    except NotFittedError:
        return
    _expect(found[0] < found[1], "the order changed")


CHECKS: tuple[Callable[[Calibrator, _Data], None], ...] = (
    check_fit_returns_the_calibrator_itself,
    check_the_map_is_strictly_increasing,
    check_probabilities_lie_inside_zero_and_one,
    check_a_row_does_not_depend_on_its_batch,
    check_transform_changes_nothing,
    check_json_gives_the_same_bits,
    check_the_order_of_rows_does_not_matter,
    check_a_row_without_weight_does_not_matter,
    check_a_clone_has_learned_nothing,
    check_parameters_are_read_and_set,
    check_bad_input_is_refused,
    check_an_unfitted_one_says_so,
)
