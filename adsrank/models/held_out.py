"""How far a bundle's probabilities were off on rows that came after all it learned from."""

from typing import Self

from pydantic import Field, model_validator

from auction.settings import Settings

LEAST = 300
"""Positives, seen or promised, from which on a PCOC says something of the model rather than of chance. Its
interval knows the chance of the held-out rows alone, not that of the rows which the calibrator was fitted to:
those are usually about as few, and at 90 positives one bundle in eight was refused for nothing."""


class HeldOut(Settings):
    """A head's figures. PCOC is predicted over observed positives; above 1 the model promises too much.

    A figure that the rows cannot give, for lack of positives, is null.
    """

    rows: int = Field(ge=0)
    positives: int = Field(ge=0)
    pcoc: float | None = Field(None, ge=0)
    low: float | None = Field(None, ge=0, description="Of PCOC's 95 % interval, by requests.")
    high: float | None = Field(None, ge=0)
    normalized_entropy: float | None = Field(None, ge=0)
    auc: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("low, high: give both or neither")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def off_by(self, share: float) -> bool:
        """Whether PCOC leaves 1 - share .. 1 + share for certain: no part of its interval lies inside.

        Fewer than `LEAST` positives, both seen and promised, prove nothing, and count as not off. From there
        on a PCOC that comes without an interval is taken at its word.
        """
        if self.pcoc is None or max(self.positives, self.positives * self.pcoc) < LEAST:
            return False
        low, high = (self.pcoc, self.pcoc) if self.low is None or self.high is None else (self.low, self.high)
        return high < 1 - share or low > 1 + share
