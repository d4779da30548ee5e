"""Pictures of predicted over observed: by margin of victory, and by group before and after calibration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from calibration.errors import require
from calibration.figure import new_figure, read_path, save
from calibration.slices import GroupRatio, winners_curve

COLOURS = ("#c2410c", "#0f766e", "#64748b", "#7c3aed")
MARKERS = ("o", "s", "^", "D")


class _Ratio(Protocol):
    @property
    def pcoc(self) -> float | None: ...
    @property
    def pcoc_low(self) -> float: ...
    @property
    def pcoc_high(self) -> float | None: ...


def plot_winners_curve(
    scores: ArrayLike,
    labels: ArrayLike,
    margin: ArrayLike,
    path: str | Path,
    weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    bins: int = 10,
    name: str = "scores",
    others: Mapping[str, ArrayLike] | None = None,
    title: str = "Winner's curve",
) -> Path:
    """Write PCOC of auction winners by margin of victory to `path` (.png or .svg) and return it.

    Columns as in `metrics.winners_curve`, a point per bin of equal mass at the middle of the bin's mass,
    with its 95 % interval. `others` are more scores [n] of the same winners, drawn beside those called
    `name`.
    """
    target = read_path(path)
    drawn = {name: scores, **(others or {})}
    require(len(drawn) <= len(COLOURS), "others", len(drawn) - 1, f"at most {len(COLOURS) - 1}")
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    axes.axhline(1.0, color="0.6", linewidth=1.0)
    for k, (label, column) in enumerate(drawn.items()):
        curve = winners_curve(column, labels, margin, weight, exposure, bins)
        # Bins hold equal mass: the share of winners is an even scale where margins are skewed.
        at = (np.arange(len(curve)) + 0.5) / len(curve)
        _errorbars(axes, at + 0.006 * k, curve, k, label)
        ticks = [(place, f"{point.low:.3g}") for place, point in zip(at, curve, strict=True)]
    axes.set_xticks([place for place, _ in ticks], [label for _, label in ticks], fontsize=7)
    axes.set_xlabel("margin of victory from (bins of equal mass)")
    _finish(axes, title, len(drawn) > 1)
    return save(figure, target)


def plot_ratios(
    series: Mapping[str, Sequence[GroupRatio]], path: str | Path, *, title: str = "Predicted over observed"
) -> Path:
    """Write PCOC by group of one or more series (before, after) to `path` (.png or .svg), and return it.

    series: rows of `metrics.pcoc_by_group` by name; the groups stand in the order of the first series.
    The scale is logarithmic: half and double are as far from 1.
    """
    target = read_path(path)
    require(1 <= len(series) <= len(COLOURS), "series", len(series), f"1 to {len(COLOURS)} of them")
    groups = list(dict.fromkeys(row.group for rows in series.values() for row in rows))
    place = {group: k for k, group in enumerate(groups)}
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    axes.axhspan(0.9, 1.1, color="0.92")
    axes.axhline(1.0, color="0.6", linewidth=1.0)
    for k, (name, rows) in enumerate(series.items()):
        at = np.array([place[row.group] for row in rows]) + 0.16 * (k - 0.5 * (len(series) - 1))
        _errorbars(axes, at, rows, k, name)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xticks(range(len(groups)), [str(group) for group in groups])
    _finish(axes, title, len(series) > 1)
    return save(figure, target)


def _errorbars(axes: object, at: np.ndarray, rows: Sequence[_Ratio], k: int, name: str) -> None:
    """Points with intervals; a group without positives has neither."""
    seen = [j for j, row in enumerate(rows) if row.pcoc is not None]
    ratio = np.array([rows[j].pcoc for j in seen], dtype=np.float64)
    low = np.array([rows[j].pcoc_low for j in seen], dtype=np.float64)
    high = np.array([rows[j].pcoc_high for j in seen], dtype=np.float64)
    axes.errorbar(  # type: ignore[attr-defined]
        at[seen],
        ratio,
        yerr=np.stack((ratio - low, high - ratio)),
        fmt=MARKERS[k],
        color=COLOURS[k],
        markersize=5.0,
        capsize=2.0,
        label=name,
    )


def _finish(axes: object, title: str, legend: bool) -> None:
    axes.set_ylabel("predicted / observed")  # type: ignore[attr-defined]
    axes.set_title(title, loc="left")  # type: ignore[attr-defined]
    axes.spines[["top", "right"]].set_visible(False)  # type: ignore[attr-defined]
    if legend:
        axes.legend()  # type: ignore[attr-defined]
