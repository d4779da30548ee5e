"""How far the predictions for shown ads can be trusted: predicted against observed, from the log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from auction.billable import event_probability
from auction.log.reader import DecisionLog
from auction.outcome import Setter
from calibration import metrics
from calibration.interval import with_interval

Floats = npt.NDArray[np.float64]
HEADS = {"click": "p_click", "save": "p_save", "hide": "p_hide", "conversion": "p_click_conversion"}


@dataclass(frozen=True, slots=True)
class Winners:
    """Columns over shown ads."""

    placement_id: npt.NDArray[Any]
    request: npt.NDArray[np.int64]
    """Number of the request, in the order of the log."""
    exposure: Floats
    probability: dict[str, Floats]
    """By head, given that the ad is examined."""
    expected_charge_micros: Floats
    setter: npt.NDArray[np.int8]

    @classmethod
    def read(cls, log: Path) -> "Winners":
        """From a decision log."""
        parts: list[Winners] = []
        before = 0
        for batch in DecisionLog(log).decisions():
            entry, slates = batch.shown_entry(), batch.slates
            exposure = batch.shown["exposure"]
            p_event = event_probability(
                slates.billable[entry],
                slates.p_click[entry],
                slates.p_click_conversion[entry],
                slates.p_view[entry],
            )
            decision = np.repeat(np.arange(len(batch)), np.diff(batch.shown_start))
            requests = batch.request_id.to_numpy(zero_copy_only=False)[decision]
            ids = [f"{r}/{ad}" for r, ad in zip(requests, slates.ad_id[entry].tolist(), strict=True)]
            parts.append(
                cls(
                    np.array(ids, object),
                    before + decision,
                    exposure,
                    {head: getattr(slates, name)[entry] for head, name in HEADS.items()},
                    batch.shown["price_micros"] * (exposure * p_event),
                    batch.shown["setter"],
                )
            )
            before += len(batch)
        return cls(
            np.concatenate([p.placement_id for p in parts]),
            np.concatenate([p.request for p in parts]),
            np.concatenate([p.exposure for p in parts]),
            {head: np.concatenate([p.probability[head] for p in parts]) for head in HEADS},
            np.concatenate([p.expected_charge_micros for p in parts]),
            np.concatenate([p.setter for p in parts]),
        )

    def labels(self, happened: dict[str, set[str]]) -> dict[str, Floats]:
        """1 where the placement had the event; `happened` is event type to placement ids."""
        return {
            head: np.array([p in happened.get(head, ()) for p in self.placement_id], np.float64)
            for head in HEADS
        }

    def pcoc(self, labels: dict[str, Floats]) -> dict[str, dict[str, float | int | None]]:
        """Predicted over observed, by head, with a 95 % bootstrap interval over requests."""
        result: dict[str, dict[str, float | int | None]] = {}
        for head, label in labels.items():
            predicted = self.probability[head] * self.exposure
            row: dict[str, float | int | None] = {
                "shown": len(label),
                "observed": int(label.sum()),
                "predicted": float(predicted.sum()),
                "pcoc": None,
                "low": None,
                "high": None,
            }
            if label.sum() >= 5:
                found = with_interval(metrics.pcoc, predicted, label, seed=0, cluster=self.request)
                row |= {"pcoc": found.value, "low": found.low, "high": found.high}
            result[head] = row
        return result

    def charges_by_setter(self) -> dict[str, Floats]:
        """Expected charge of each shown ad, by what set its price."""
        return {
            kind.name.lower().replace("_", " "): self.expected_charge_micros[self.setter == kind]
            for kind in Setter
            if (self.setter == kind).any()
        }
