"""How the time of one auction grows with organic items, ads and slots.

One number is varied at a time around a feed of 50 organic items, 200 ads and 8 slots, under gaps, one ad per
advertiser and adjacency, without categories or held positions. Times are medians over slates of the fastest
of several whole calls, in CPU time, which a busy machine does not stretch by waiting. An exponent b says how
the time grows at the large end, time ~ size ** b: it is the slope of a straight line through the logarithms
of the last three sizes.

    adsrank bench growth
    python -m benchmarks.growth docs/images/auction_growth.png    # the same, drawn
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import thread_time

import numpy as np

from auction.auction import hold_auction
from auction.picture import new_picture, save_picture
from auction.policy import AuctionPolicy, Exposure, FeedRules, Pricing
from benchmarks.auction import FEED, SEED, draw_feed
from benchmarks.row import Row

CENTRE = {"organic items": 50, "ads": 200, "slots": 8}
LEVELS = {
    "organic items": (10, 20, 50, 100, 200),
    "ads": (25, 50, 100, 200, 400, 800, 1600),
    "slots": (1, 2, 4, 8, 16),
}
RULES = {
    "layout alone": Pricing.FIRST_PRICE,
    "+ second prices": Pricing.SECOND_PRICE,
    "+ VCG prices": Pricing.VCG,
}
COLOURS = {"layout alone": "#4477aa", "+ second prices": "#228833", "+ VCG prices": "#cc6677"}
SLATES, PASSES = 16, 9
LABEL_HEIGHT = 0.17
"""Of one line of text, in decades of the time axis."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Times of one pricing rule while one size is varied."""

    size: str
    rule: str
    levels: tuple[int, ...]
    ms: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """b of time ~ size ** b over the last three levels, by least squares of the logarithms."""
        return float(np.polyfit(np.log(self.levels[-3:]), np.log(self.ms[-3:]), 1)[0])


def policy_of(slots: int, pricing: Pricing) -> AuctionPolicy:
    """The benchmark's feed rules with no share of ads, so that a short page may fill its slots too, and a
    page of 256 positions, so that a long one is seen to its end."""
    rules = FeedRules(**FEED.rules.model_dump() | {"max_ads": slots, "max_share": 1.0})
    gap_effect = FEED.exposure.gap_effect if FEED.exposure else []
    seen = Exposure(examination=[round(0.97**s, 6) for s in range(256)], gap_effect=gap_effect)
    return FEED.model_copy(update={"rules": rules, "exposure": seen, "pricing": pricing})


def measure() -> list[Curve]:
    """Every size under every pricing rule; pass after pass over all of them, since the machine is shared."""
    cells, slates = [], {}
    for size, levels in LEVELS.items():
        for level in levels:
            at = CENTRE | {size: level}
            rng = np.random.default_rng(SEED)
            slates[size, level] = [draw_feed(rng, at["ads"], at["organic items"]) for _ in range(SLATES)]
            cells += [(size, level, rule, policy_of(at["slots"], RULES[rule])) for rule in RULES]
    best = np.full((len(cells), SLATES), np.inf)
    for _ in range(PASSES):
        for cell, (size, level, _, policy) in enumerate(cells):
            for n, slate in enumerate(slates[size, level]):
                start = thread_time()
                hold_auction(slate, policy)
                best[cell, n] = min(best[cell, n], thread_time() - start)
    times = {cell[:3]: 1e3 * float(np.median(row)) for cell, row in zip(cells, best, strict=True)}
    return [
        Curve(size, rule, levels, tuple(times[size, level, rule] for level in levels))
        for size, levels in LEVELS.items()
        for rule in RULES
    ]


def rows_of(curves: list[Curve]) -> Iterator[Row]:
    """A row for every time, and one for every exponent."""
    for curve in curves:
        for level, ms in zip(curve.levels, curve.ms, strict=True):
            yield Row(f"{level} {curve.size}: {curve.rule}, p50", ms, "ms")
        yield Row(f"{curve.size}: {curve.rule} grows with exponent", curve.exponent, "")


def rows() -> Iterator[Row]:
    """Times and exponents; half a minute."""
    yield from rows_of(measure())


def _label_heights(times: list[float]) -> list[float]:
    """Heights near `times`, in ms, at which labels do not touch; the order is kept."""
    heights = [0.0] * len(times)
    free = -np.inf
    for n in np.argsort(times):
        heights[n] = max(float(np.log10(times[n])), free)
        free = heights[n] + LABEL_HEIGHT
    return [float(10**height) for height in heights]


def draw(curves: list[Curve], path: Path) -> None:
    """Write the picture: a panel for each size, a line for each rule, both scales logarithmic."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    figure = new_picture(12.0, 4.2)
    panels = figure.subplots(1, len(LEVELS), sharey=True)
    for panel, (size, levels) in zip(panels, LEVELS.items(), strict=True):
        here = [curve for curve in curves if curve.size == size]
        panel.axvline(CENTRE[size], color="0.9", linewidth=7, zorder=0)
        for curve, height in zip(here, _label_heights([curve.ms[-1] for curve in here]), strict=True):
            colour = COLOURS[curve.rule]
            panel.plot(curve.levels, curve.ms, color=colour, marker="o", markersize=4, linewidth=1.8)
            panel.annotate(
                f"{curve.rule}, $n^{{{curve.exponent:.1f}}}$",
                (levels[-1], height),
                xytext=(9, 0),
                textcoords="offset points",
                color=colour,
                va="center",
                fontsize=9,
                annotation_clip=False,
            )
        fixed = ", ".join(f"{CENTRE[other]} {other}" for other in CENTRE if other != size)
        panel.set(xscale="log", yscale="log", xlabel=f"n, {size} ({fixed})")
        panel.set_xlim(levels[0] / 1.25, levels[-1] * (levels[-1] / levels[0]) ** 0.62)
        named = levels[::2] if len(levels) > 5 else levels
        panel.set_xticks(named, [str(level) for level in named])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.grid(True, which="major", axis="y", color="0.92", zorder=0)
        panel.spines[["top", "right"]].set_visible(False)
    low, high = min(min(curve.ms) for curve in curves), max(max(curve.ms) for curve in curves)
    panels[0].set_ylim(low / 1.3, high * 10 ** (2 * LABEL_HEIGHT))
    panels[0].set_ylabel("CPU time of one auction, ms (median)")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(figure, path, dpi=110)


if __name__ == "__main__":
    found = measure()
    for name in sys.argv[1:]:
        draw(found, Path(name))
