"""A picture of a frontier."""

from pathlib import Path
from typing import Any

from auction.blend.frontier import Frontier
from auction.blend.point import Point
from auction.picture import new_picture, save_picture


def draw_frontier(frontier: Frontier, path: str | Path) -> Path:
    """Write the frontier to `path` (.png or .svg) and return it."""
    points, hull = frontier.points, [frontier.points[at] for at in frontier.hull]
    figure = new_picture(8.0, 5.5)
    axes = figure.subplots()
    axes.scatter(*_places(list(points)), s=12, color="0.75", label="policies measured", zorder=1)
    banded = [one for one in hull if one.revenue_interval.low is not None]
    if len(banded) > 1:
        axes.fill_between(
            [100 * one.organic_loss for one in banded],
            [_units(one, one.revenue_interval.low, frontier) for one in banded],
            [_units(one, one.revenue_interval.high, frontier) for one in banded],
            color="C0",
            alpha=0.18,
            linewidth=0,
            label="95 % interval of the revenue's change",
        )
    axes.plot(
        *_places(hull), "o-", color="C0", markersize=4, label="frontier (mixtures on the edges)", zorder=2
    )
    if frontier.bound.max_organic_loss is not None:
        axes.axvline(100 * frontier.bound.max_organic_loss, color="C3", linestyle=":", label="bound")
    elif frontier.bound.min_revenue is not None:
        least = frontier.bound.min_revenue * points[frontier.current].revenue_micros / 1e6
        axes.axhline(least, color="C3", linestyle=":", label="bound")
    _mark(axes, points[frontier.choice.single], "*", "C2", 220, "chosen")
    _mark(axes, points[frontier.current], "D", "C1", 70, "current")
    axes.set_xlabel("organic value lost, % of feeds without ads")
    axes.set_ylabel(f"expected revenue of {frontier.decisions:,} decisions, units of currency")
    axes.set_title("What organic value buys")
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right")
    return save_picture(figure, path)


def _places(points: list[Point]) -> tuple[list[float], list[float]]:
    return [100 * one.organic_loss for one in points], [one.revenue_micros / 1e6 for one in points]


def _units(point: Point, change: float | None, frontier: Frontier) -> float:
    """Revenue at an end of the interval of its change."""
    base = frontier.points[frontier.current].revenue_micros
    return point.revenue_micros / 1e6 if change is None else (1 + change) * base / 1e6


def _mark(axes: Any, point: Point, marker: str, color: str, size: float, word: str) -> None:
    rules = point.policy.rules
    said = f"{word}: rate {point.policy.exchange_rate:,.6g}, gap {rules.min_gap}, share {rules.max_share:g}"
    axes.scatter(
        *_places([point]), s=size, marker=marker, color=color, edgecolor="black", label=said, zorder=3
    )
