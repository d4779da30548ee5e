"""iPinYou: the click predictions that were logged, recalibrated on the first half of each campaign's log.

The second half is judged in the order of its time, by a Platt line that the first half fitted and a drift
correction that sees each label two batches late. Run as a program it writes the picture of the campaigns
before and after: python -m benchmarks.real_ipinyou docs/images/ipinyou_calibration.png
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adsrank.data.ipinyou import read_ipinyou
from benchmarks.real_tables import DATA
from benchmarks.row import Row
from calibration import Chain, DriftCorrector, PlattCalibrator, metrics
from calibration.ratio_plot import plot_ratios

Float64 = npt.NDArray[np.float64]

FOLDER = DATA / "ipinyou"
CAMPAIGNS = ("1458", "2259", "2261", "2997", "3386", "3427")
LOGS = {
    **{f"campaign {name}": f"{name}.validation.txt.gz" for name in CAMPAIGNS},
    "2997, whole test log": "2997.test.theta.txt.gz",
}
BATCH, DELAY = 500, 1_000


@dataclass(frozen=True, slots=True)
class Halves:
    """Second half of a campaign's log, [n] each: clicks, logged and recalibrated predictions."""

    click: Float64
    logged: Float64
    mended: Float64


def mend(file: str) -> Halves:
    """Fit on the first half; on the second, predict a batch, then learn from labels `DELAY` rows old."""
    log = read_ipinyou(FOLDER / file)
    half = len(log.click) // 2
    drift = DriftCorrector(half_life=10_000, prior_precision=3.0)
    chain = Chain([PlattCalibrator(), drift]).fit(log.theta[:half], log.click[:half])
    theta, click = log.theta[half:], log.click[half:]
    said = np.empty_like(theta)
    for first in range(0, len(theta), BATCH):
        said[first : first + BATCH] = chain.transform(theta[first : first + BATCH])
        if first >= DELAY:
            known = slice(first - DELAY, first - DELAY + BATCH)
            chain.observe(theta[known], click[known])
    return Halves(click, theta, said)


def figures() -> Iterator[Row]:
    """PCOC and log loss of each campaign and of the six together; nothing where the logs are absent."""
    if not FOLDER.is_dir():
        return
    found = {name: mend(file) for name, file in LOGS.items()}
    six = [found[f"campaign {name}"] for name in CAMPAIGNS]
    together = Halves(
        np.concatenate([part.click for part in six]),
        np.concatenate([part.logged for part in six]),
        np.concatenate([part.mended for part in six]),
    )
    for name, part in {**found, "six campaigns together": together}.items():
        yield Row(f"iPinYou {name}: clicks judged on", float(part.click.sum()), "clicks")
        for when, p in (("logged", part.logged), ("recalibrated", part.mended)):
            ratio = metrics.with_interval(metrics.pcoc, p, part.click, seed=0)
            yield Row(
                f"iPinYou {name}: PCOC, {when}", ratio.value, f"({ratio.low:.3f} to {ratio.high:.3f})"
            )
        off = abs(metrics.pcoc(part.mended, part.click) - 1.0)
        yield Row(f"iPinYou {name}: PCOC recalibrated, distance from 1", off, "", "<= 0.1")
        yield _gain(name, part)


def _gain(name: str, part: Halves) -> Row:
    p, q, y = part.logged, part.mended, part.click
    difference = np.where(y > 0.0, np.log(p / q), np.log((1.0 - p) / (1.0 - q)))

    def mean(scores: Float64, labels: Float64, weight: Float64) -> float:
        return float(weight @ difference / weight.sum())

    found = metrics.with_interval(mean, q, y, seed=0)
    said = f"({found.low:.2e} to {found.high:.2e})"
    return Row(f"iPinYou {name}: log loss, recalibrated less logged", found.value, said, "< 0")


def picture(path: str) -> None:
    """PCOC by campaign on the second half, before and after."""
    parts = {name.removeprefix("campaign "): mend(file) for name, file in LOGS.items()}
    group = np.concatenate([np.repeat(name, len(part.click)) for name, part in parts.items()])
    clicks = np.concatenate([part.click for part in parts.values()])
    series = {
        "as logged": np.concatenate([part.logged for part in parts.values()]),
        "recalibrated on the first half": np.concatenate([part.mended for part in parts.values()]),
    }
    plot_ratios(
        {name: metrics.pcoc_by_group(p, clicks, group) for name, p in series.items()},
        path,
        title="iPinYou, second half of each log",
    )


if __name__ == "__main__":
    picture(sys.argv[1])
