"""Typed errors of calibration."""

import reprlib

_short = reprlib.Repr()
"""Of a value that may be a million rows, or lists within lists without end."""
_short.maxstring = _short.maxother = _short.maxlong = 80


class CalibrationError(ValueError):
    """A value refused at the door.

    `field` is the path of the offending value (``state.knots[3]``), `value` what was found there,
    `fix` what would be accepted, `file` where it was read from, if anywhere.
    """

    def __init__(self, field: str, value: object, fix: str, file: str | None = None) -> None:
        try:
            shown = " ".join(_short.repr(value).split())
        except ValueError:  # an int of so many digits that Python writes none of them
            shown = f"a huge {type(value).__name__}"
        if len(shown) > 80:
            shown = shown[:77] + "..."
        place = (field if field.isprintable() else ascii(field)[1:-1])[:120]
        where = f"{file}: {place}" if file else place
        super().__init__(f"{where}: {shown} is refused; {fix}")
        self.field = field
        self.value = value
        self.fix = fix
        self.file = file


class NotFittedError(CalibrationError):
    """A calibrator used before `fit` (or `from_json`)."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind, "not fitted", "call fit(scores, labels) first")


class UndefinedMetric(CalibrationError):
    """A metric that has no value on these data, such as an AUC without positives."""


def require(condition: bool, field: str, value: object, fix: str) -> None:
    """Raise `CalibrationError` unless the condition holds."""
    if not condition:
        raise CalibrationError(field, value, fix)
