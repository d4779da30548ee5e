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
    """One check: of which file, what was found, and the bound it should keep; a note where it says more."""

    file: str
    check: str
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
                found = f"{finding.check} {finding.value:.4g}, should be {finding.bound}"
                raise BundleError(f"{finding.file}: {found}: {finding.note}")

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
        findings = []
        for name, (now, told) in pairs.items():
            apart = float(np.abs(log_odds(now) - log_odds(told)).max())
            same = apart <= self.tolerance  # not for NaN
            note = "" if same else "not the answers it gave where it was made: make it again with this code"
            bound = f"at most {self.tolerance:g} off in log-odds"
            findings.append(Finding("sample.json", f"answers of {name}", apart, bound, same, note))
        return findings

    def _speed(self, bundle: "Bundle") -> Finding:
        columns = bundle.sample.columns
        best = np.inf
        for _ in range(self.runs):
            begin = thread_time()
            batch = bundle.prepare(columns)
            bundle.prerank(batch)
            bundle.calibrate(bundle.score(batch))
            best = min(best, thread_time() - begin)
        taken, note = best * 1e3, f"{len(bundle.sample)} rows; give a smaller model or a larger `max_ms`"
        fast = taken <= self.max_ms
        bound = f"at most {self.max_ms:g} ms"
        return Finding("sample.json", "processor time", taken, bound, fast, "" if fast else note)

    def _calibration(self, bundle: "Bundle") -> list[Finding]:
        bound = f"{1 - self.calibration_off:g} to {1 + self.calibration_off:g}"
        findings = []
        for head, held in bundle.manifest.held_out.items():
            if head not in PRICED or held.pcoc is None:
                continue
            bad = held.off_by(self.calibration_off)
            span = "" if held.low is None else f", 95 % from {held.low:.3f} to {held.high:.3f}"
            note = f"{held.positives} positives{span}"
            if bad and self.allow_miscalibrated:
                note += "; off, and allowed by `allow_miscalibrated`"
            elif bad:
                note += "; calibrate it again, or say `allow_miscalibrated`"
            elif abs(held.pcoc - 1) > self.calibration_off:
                note += "; may be chance"
            findings.append(
                Finding(
                    "manifest.json",
                    f"held-out PCOC of {head}",
                    held.pcoc,
                    bound,
                    not bad or self.allow_miscalibrated,
                    note,
                )
            )
        return findings


def log_odds(p: Float64) -> Float64:
    """Of probabilities, finite even at 0 and 1 (NaN stays)."""
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    found: Float64 = np.log(inside) - np.log1p(-inside)
    return found
