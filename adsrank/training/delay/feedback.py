"""What is known, at one moment, of the conversions that clicks lead to."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64] | npt.NDArray[np.bool_]

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Feedback:
    """Columns of n clicks, as they stand at one moment.

    A conversion counts if it comes within `window_s` of its click, and is known if it came before the
    moment: conversion = 1 with delay <= min(elapsed, window). A click without one is a negative only
    once its window is over; before that it may still convert.

    Raises:
        InputError: columns of unlike length, a value out of range, or a delay past the elapsed time or
            the window; names column and row.
    """

    conversion: Float64
    """1 where a conversion is known, else 0."""
    delay_s: Float64
    """Seconds from click to conversion; NaN where none is known."""
    elapsed_s: Float64
    """Seconds from click to the moment."""
    window_s: float
    """The attribution window."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.window_s) and self.window_s > 0):
            raise InputError("window_s", self.window_s, "give a finite number of seconds above 0")
        n = len(self.conversion)
        for name in ("delay_s", "elapsed_s"):
            if len(getattr(self, name)) != n:
                raise InputError(name, f"{len(getattr(self, name))} rows", f"give {n}, as of conversion")
        known = self.conversion == 1
        _refuse("conversion", self.conversion, ~known & (self.conversion != 0), "give 0 or 1")
        wrong = ~(np.isfinite(self.elapsed_s) & (self.elapsed_s >= 0))
        _refuse("elapsed_s", self.elapsed_s, wrong, "give seconds from click to now, at least 0")
        wrong = known & ~(np.isfinite(self.delay_s) & (self.delay_s >= 0))
        _refuse("delay_s", self.delay_s, wrong, "give a conversion's seconds after its click, at least 0")
        wrong = ~known & ~np.isnan(self.delay_s)
        _refuse("delay_s", self.delay_s, wrong, "give NaN where there is no conversion")
        late = known & (self.delay_s > self.elapsed_s)
        _refuse(
            "delay_s", self.delay_s, late, "a conversion cannot be known before it comes: elapsed_s is less"
        )
        late = known & (self.delay_s > self.window_s)
        _refuse("delay_s", self.delay_s, late, f"past the window of {self.window_s:g} s: it does not count")

    def __len__(self) -> int:
        return len(self.conversion)

    @classmethod
    def observe(cls, delay_s: Float64, elapsed_s: Float64, window_s: float) -> Self:
        """From the delays that conversions really have (NaN: never), what is known after `elapsed_s`.

        A conversion that is still to come, or comes past the window, is not in it. NaN-safe.
        """
        with np.errstate(invalid="ignore"):
            known = (delay_s <= elapsed_s) & (delay_s <= window_s)
        return cls(known.astype(np.float64), np.where(known, delay_s, np.nan), elapsed_s, float(window_s))

    @property
    def mature(self) -> Bool:
        """The window is over: no conversion is still to come."""
        return self.elapsed_s >= self.window_s

    def take(self, rows: Rows) -> Self:
        """The clicks of `rows`."""
        return type(self)(self.conversion[rows], self.delay_s[rows], self.elapsed_s[rows], self.window_s)

    def within(self, window_s: float) -> Self:
        """The same clicks under a shorter window: conversions past it no longer count.

        Raises:
            InputError: a longer window; the conversions that it would add are not among these.
        """
        if window_s > self.window_s:
            raise InputError(
                "window_s", window_s, f"at most {self.window_s:g}: later conversions were not attributed"
            )
        return self.observe(self.delay_s, self.elapsed_s, window_s)

    def ago(self, seconds: float) -> Self:
        """What was known `seconds` earlier, of clicks that were all made by then.

        Raises:
            InputError: a click that was not made yet; names its row.
        """
        elapsed = self.elapsed_s - seconds
        _refuse("elapsed_s", self.elapsed_s, elapsed < 0, f"leave out clicks made in the last {seconds:g} s")
        return self.observe(self.delay_s, elapsed, self.window_s)


def _refuse(name: str, values: Float64, wrong: Bool, fix: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise InputError(f"{name}[{rows[0]}]", float(values[rows[0]]), fix)
