"""What a bundle must show before it may serve: the same answers, fast enough, calibrated."""

from dataclasses import dataclass
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adsrank.errors import BundleError
from auction.settings import Settings

if TYPE_CHECKING:  # settings are read without loading torch
    from adsrank.models.bundle import Bundle

Float64 = npt.NDArray[np.float64]

PRICED = ("click", "conversion_given_click", "click_conversion")
"""Heads that bids are multiplied by, and prices divided by."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and the bound it should keep."""

    name: str
    value: float
    bound: str
    holds: bool
    note: str = ""


class Admission(Settings):
    """The bounds. A bundle that breaks one is not loaded, and what served before goes on."""

    tolerance: float = Field(
        1e-3, gt=0, le=1, description="Most that an answer may differ from the stored one, in log-odds."
    )
    max_ms: float = Field(
        50.0,
        gt=0,
        description="Most processor time for the stored sample (200 rows), columns to probabilities.",
    )
    runs: int = Field(7, ge=1, le=1000, description="The fastest of so many counts.")
    calibration_off: float = Field(
        0.1, gt=0, le=1, description="Share by which held-out PCOC of a priced head may leave 1, for certain."
    )
    allow_miscalibrated: bool = Field(False, description="Serve it nonetheless: prices will be wrong.")

    def admit(self, bundle: "Bundle") -> None:
        """Raises BundleError for the first check that fails; names file and field."""
        for finding in self.examine(bundle):
            if not finding.holds:
                raise BundleError(f"{finding.name}: {finding.value:.4g}, {finding.bound}; {finding.note}")

    def examine(self, bundle: "Bundle") -> list[Finding]:
        """Every check. The sample is scored as it is served: by one thread, one request's rows at a time."""
        return [*self._answers(bundle), self._speed(bundle), *self._calibration(bundle)]

    def _answers(self, bundle: "Bundle") -> list[Finding]:
        sample = bundle.sample
        batch = bundle.prepare(sample.columns)
        found = bundle.calibrate(bundle.score(batch))
        pairs = {
            **{name: (found[name], told) for name, told in sample.expected.items()},
            "prerank": (bundle.prerank(batch), sample.prerank),
        }
        return [
            Finding(
                f"sample.json: {name} of {len(sample)} rows, furthest from the stored answer",
                apart := float(np.abs(log_odds(now) - log_odds(told)).max()),
                f"at most {self.tolerance:g} in log-odds",
                apart <= self.tolerance,  # not for NaN
                "code, library or processor answer otherwise than where it was made: make it again here",
            )
            for name, (now, told) in pairs.items()
        ]

    def _speed(self, bundle: "Bundle") -> Finding:
        columns = bundle.sample.columns
        best = np.inf
        for _ in range(self.runs):
            begin = thread_time()
            batch = bundle.prepare(columns)
            bundle.prerank(batch)
            bundle.calibrate(bundle.score(batch))
            best = min(best, thread_time() - begin)
        return Finding(
            f"sample.json: processor time for {len(bundle.sample)} rows, fastest of {self.runs}",
            best * 1e3,
            f"at most {self.max_ms:g} ms",
            best * 1e3 <= self.max_ms,
            "give a smaller model or a larger `max_ms`",
        )

    def _calibration(self, bundle: "Bundle") -> list[Finding]:
        off = self.calibration_off
        findings = []
        for head, held in bundle.manifest.held_out.items():
            if head not in PRICED or held.pcoc is None:
                continue
            bad = held.off_by(off)
            note = "calibrate it again, or say `allow_miscalibrated`"
            if bad and self.allow_miscalibrated:
                note = "off, and allowed by `allow_miscalibrated`"
            elif abs(held.pcoc - 1) > off and not bad:
                note = f"outside, but {held.positives} positives prove nothing"
            span = "" if held.low is None else f" ({held.low:.3f} to {held.high:.3f})"
            findings.append(
                Finding(
                    f"manifest.json: held_out.{head}.pcoc{span}",
                    held.pcoc,
                    f"{1 - off:g} to {1 + off:g}",
                    not bad or self.allow_miscalibrated,
                    note if bad or abs(held.pcoc - 1) > off else "",
                )
            )
        return findings


def log_odds(p: Float64) -> Float64:
    """Of probabilities, finite even at 0 and 1 (NaN stays)."""
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    found: Float64 = np.log(inside) - np.log1p(-inside)
    return found
