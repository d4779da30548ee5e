"""The picture of late conversions: how soon they are known, and what a model makes of those that are not.

python -m benchmarks.delay_picture docs/images/late_conversions.png
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.training.delay import DelayCurve, Feedback, WeibullDelay
from adsrank.training.progressive import Walk
from auction.picture import new_picture, save_picture
from benchmarks.delay_market import LOG_DAYS, WINDOW_DAYS, WINDOW_S, Late, walk

DAY_S = 86_400.0
COLOURS = {"naive": "#cc6677", "delayed_feedback": "#228833", "oracle": "#4477aa"}
SEED, IMPRESSIONS = 1, 400_000


def draw(market: Late, walks: dict[str, Walk], path: Path) -> None:
    """Write the picture: left the law of the delay, right the level of a model retrained daily."""
    figure = new_picture(11.0, 4.0)
    left, right = figure.subplots(1, 2)
    clicks = market.past.filter(pc.equal(market.past["click"], 1))
    delay = clicks["conversion_delay_s"].fill_null(np.nan).to_numpy()
    elapsed = (market.moment - clicks["time"].cast(pa.int64()).to_numpy()) / 1e6
    # The newest week alone: no click's window is over.
    young = elapsed < WINDOW_S
    known = Feedback.observe(delay[young], elapsed[young], WINDOW_S)
    days = np.linspace(0, WINDOW_DAYS, 200)
    waited = np.sort(delay[~np.isnan(delay)])
    seen = np.sort(known.delay_s[known.conversion > 0])
    at = days * DAY_S
    lines = {
        "truth: all delays, waited for": (np.searchsorted(waited, at) / len(waited), "0.8", 5),
        "delays known so far, as they are": (np.searchsorted(seen, at) / len(seen), "#cc6677", 1.5),
        "Weibull law": (WeibullDelay.fit(known).complete(at), "#ddaa33", 1.5),
        "product limit": (DelayCurve.fit(known).complete(at), "#228833", 1.5),
    }
    for label, (share, colour, width) in lines.items():
        left.plot(days, share, label=label, color=colour, linewidth=width)
    left.set(xlabel="days since the click", ylabel="share of its conversions that is known", ylim=(0, 1.02))
    left.legend(frameon=False, loc="lower right", fontsize=9)
    for name, found in walks.items():
        steps = [step for step in found.steps if step.figures.pcoc is not None]
        day = np.array([LOG_DAYS + WINDOW_DAYS - step.ago_s / DAY_S for step in steps])
        pcoc = [step.figures.pcoc for step in steps]
        level = np.array([one.value for one in pcoc if one is not None])
        error = np.array([(one.value - one.low, one.high - one.value) for one in pcoc if one is not None]).T
        shift = 0.08 * (list(COLOURS).index(name) - 1)
        right.errorbar(day + shift, level, error, c=COLOURS[name], marker="o", ms=4, lw=1.5, label=name)
    right.axhline(1.0, color="0.8", zorder=0)
    right.set(xlabel="day", ylabel="predicted over observed, windows closed")
    right.legend(frameon=False, fontsize=9)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(figure, path, dpi=100)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        market = Late.draw(SEED, IMPRESSIONS)
        draw(market, {late: walk(market, late) for late in COLOURS}, Path(name))
