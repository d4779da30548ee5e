"""Examination by position and gap effect, learned apart from what the ads are worth.

P(click observed) = e_s g(d) p_click: a position-based click model (Richardson et al., 2007; PAL, Guo
et al., 2019). e_1 = 1 and e_s is a running product of continuation probabilities, so it cannot
increase; g is a running product from the far side, so a wider gap is never worse, and g = 1 from
d = 5 on. Both are fitted by penalized maximum likelihood given the model's p: neighbouring
continuations are pulled together (less freely the further down), so that a thin tail is smooth.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, logit

from auction.policy import Exposure
from auction.settings import Settings

Float64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32] | npt.NDArray[np.int64]

GAPS = 4
"""Distances 1 ... GAPS have a gap effect of their own; further ones have none."""

BINS = 48
"""Probabilities are grouped before fitting: a cell is (position, gap, bin of p)."""


class ExposureConfig(Settings):
    """How the curves are fitted."""

    positions: int = Field(64, ge=1, le=256, description="Length of the learned curve.")
    continuation: float = Field(0.9, gt=0, lt=1, description="Prior of going on to the next position.")
    spread: float = Field(1.5, gt=0, description="Of that prior, in logits.")
    step: float = Field(
        0.5, gt=0, description="Freedom from one position to the next, in logits, at the top."
    )
    tail_step: float = Field(0.05, gt=0, description="The same far down.")


@dataclass(frozen=True, slots=True)
class ExposureCurve:
    """`examination` [positions] of s = 1, 2, ...; `gap` [4] of d = 1 ... 4."""

    examination: Float64
    gap: Float64

    @classmethod
    def flat(cls, positions: int = 64) -> Self:
        """Everything seen: for a table without places."""
        return cls(np.ones(positions), np.ones(GAPS))

    def of(self, position: Ints, gap: Ints) -> Float64:
        """e_s g(d) of each row (float64 [n]); positions past the curve's end count as its last.

        Parameters:
            position: 1-based.
            gap: positions from the ad before; 0 where there is none.
        """
        seen = self.examination[np.clip(position, 1, len(self.examination)) - 1]
        near = (gap >= 1) & (gap <= GAPS)
        effect: Float64 = np.where(near, self.gap[np.clip(gap, 1, GAPS) - 1], 1.0)
        share: Float64 = seen * effect
        return share

    def policy(self) -> Exposure:
        """The curves as the auction reads them."""
        return Exposure(examination=self.examination.tolist(), gap_effect=self.gap.tolist())

    @classmethod
    def from_policy(cls, exposure: Exposure) -> Self:
        gap = np.ones(GAPS)
        gap[: len(exposure.gap_effect)] = exposure.gap_effect[:GAPS]
        return cls(np.array(exposure.examination), gap)


def fit_exposure(
    position: Ints,
    gap: Ints,
    labels: Float64,
    probabilities: Float64,
    config: ExposureConfig | None = None,
    weight: Float64 | None = None,
) -> ExposureCurve:
    """The curves that explain `labels` best, given `probabilities`.

    Parameters:
        position, gap: int [n]; gap 0 means no ad before.
        labels: [n, heads] of 0 and 1 (click, save, hide: one exposure for all).
        probabilities: [n, heads] given examined. Their level is free: each head's logit may shift.
        weight: [n] or None.

    Maximizes sum y log(x p) + (1 - y) log(1 - x p) - penalties over the logits of the continuation
    probabilities (L-BFGS, analytic gradient).
    """
    config = config or ExposureConfig()
    cells = _cells(position, gap, labels, probabilities, config.positions, weight)
    positions, heads = config.positions, labels.shape[1]
    prior = float(logit(config.continuation))
    freedom = config.tail_step + config.step / np.arange(1, positions)
    start = np.concatenate([np.full(positions - 1, prior), np.full(GAPS, prior), np.zeros(heads)])

    def objective(theta: Float64) -> tuple[float, Float64]:
        go_on, apart, shift = np.split(theta, [positions - 1, positions - 1 + GAPS])
        loss, slope, slope_shift = _likelihood(cells, go_on, apart, shift)
        step = np.diff(go_on) / freedom[1:]
        off, off_gap = (go_on - prior) / config.spread, (apart - prior) / config.spread
        loss += 0.5 * float((step**2).sum() + (off_gap**2).sum() + (off[:1] ** 2).sum())
        loss += 0.5 * float((off**2).sum()) / positions + 0.5 * float((shift**2).sum()) * 1e-2
        pull = off / config.spread / positions
        pull[:1] += off[:1] / config.spread
        pull[1:] += step / freedom[1:]
        pull[:-1] -= step / freedom[1:]
        gradient = slope + np.concatenate([pull, off_gap / config.spread])
        return loss, np.concatenate([gradient, slope_shift + 1e-2 * shift])

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    go_on, apart, _ = np.split(found, [positions - 1, positions - 1 + GAPS])
    return ExposureCurve(*_curves(go_on, apart))


def _curves(go_on: Float64, apart: Float64) -> tuple[Float64, Float64]:
    examination = np.concatenate([[1.0], np.cumprod(expit(go_on))])
    gap = np.cumprod(expit(apart)[::-1])[::-1]
    return examination, gap


@dataclass(frozen=True, slots=True)
class _Cells:
    head: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]  # 0-based
    gap: npt.NDArray[np.int64]  # 0 ... 3; GAPS where there is no effect
    score: Float64  # logit of p
    count: Float64
    events: Float64


def _cells(
    position: Ints, gap: Ints, labels: Float64, probabilities: Float64, positions: int, weight: Float64 | None
) -> _Cells:
    """Group rows by head, place and bin of p: the fit then costs the same for any number of rows."""
    s = np.clip(position, 1, positions).astype(np.int64) - 1
    d = np.where((gap >= 1) & (gap <= GAPS), gap - 1, GAPS).astype(np.int64)
    w = np.ones(len(s)) if weight is None else weight
    parts: list[list[Any]] = [[] for _ in range(6)]
    for head in range(labels.shape[1]):
        p = np.clip(probabilities[:, head], 1e-7, 1 - 1e-7)
        edges = np.unique(np.quantile(p, np.arange(1, BINS) / BINS))
        cell = (s * (GAPS + 1) + d) * BINS + np.searchsorted(edges, p)
        size = positions * (GAPS + 1) * BINS
        count = np.bincount(cell, w, size)
        full = np.flatnonzero(count)
        mean = np.bincount(cell, w * p, size)[full] / count[full]
        place = full // BINS
        values = (
            np.full(len(full), head),
            place // (GAPS + 1),
            place % (GAPS + 1),
            logit(mean),
            count[full],
            np.bincount(cell, w * labels[:, head], size)[full],
        )
        for part, value in zip(parts, values, strict=True):
            part.append(value)
    return _Cells(*(np.concatenate(part) for part in parts))


def _likelihood(
    cells: _Cells, go_on: Float64, apart: Float64, shift: Float64
) -> tuple[float, Float64, Float64]:
    """Negative log-likelihood, its gradient in (go_on, apart), and in shift."""
    examination, gap = _curves(go_on, apart)
    effect = np.append(gap, 1.0)
    p = expit(cells.score + shift[cells.head])
    seen = np.clip(examination[cells.position] * effect[cells.gap] * p, 1e-12, 1 - 1e-9)
    misses = cells.count - cells.events
    loss = -float(cells.events @ np.log(seen) + misses @ np.log1p(-seen))
    # d loss / d log x, and the same through p.
    by_log = -(cells.events - misses * seen / (1 - seen))
    by_shift = np.bincount(cells.head, by_log * (1 - p), len(shift)).astype(np.float64)
    by_position = np.bincount(cells.position, by_log, len(go_on) + 1)
    by_gap = np.bincount(cells.gap, by_log, GAPS + 1)[:GAPS]
    reach = np.cumsum(by_position[::-1])[::-1][1:]  # continuation t counts for all positions from t on
    near = np.cumsum(by_gap)  # step t counts for all distances up to t
    return loss, np.concatenate([reach * expit(-go_on), near * expit(-apart)]), by_shift
