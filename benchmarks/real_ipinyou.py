"""iPinYou: the click predictions that were logged, recalibrated on the first half of each campaign's log.

The second half is judged in the order of its time. `line` is Platt's line fitted on the first half, `level`
the same with its slope held at 1; either is followed by a drift correction that sees each label two batches
late. Run as a program it writes the picture of the campaigns before and after:
python -m benchmarks.real_ipinyou docs/images/ipinyou_calibration.png
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adsrank.data.ipinyou import read_ipinyou
from benchmarks.real_gain import gain
from benchmarks.real_tables import DATA
from benchmarks.row import Row
from calibration import Chain, DriftCorrector, PlattCalibrator, metrics
from calibration.ratio_plot import plot_ratios

Float64 = npt.NDArray[np.float64]

FOLDER = DATA / "ipinyou"
CAMPAIGNS = ("1458", "2259", "2261", "2997", "3386", "3427")
LOGS = {
    **{f"campaign {name}": f"{name}.validation.txt.gz" for name in CAMPAIGNS},
    "2997 test log": "2997.test.theta.txt.gz",
}
BATCH, DELAY = 500, 1_000
WAYS = {"line": PlattCalibrator(), "level": PlattCalibrator(ridge=1e8)}


@dataclass(frozen=True, slots=True)
class Half:
    """Second half of a campaign's log, [n] each: clicks, logged predictions, recalibrated ones by way."""

    click: Float64
    logged: Float64
    mended: dict[str, Float64]


def mend(file: str) -> Half:
    """Fit on the first half; on the second, predict a batch, then learn from labels `DELAY` rows old."""
    log = read_ipinyou(FOLDER / file)
    half = len(log.click) // 2
    theta, click = log.theta[half:], log.click[half:]
    mended = {}
    for way, calibrator in WAYS.items():
        drift = DriftCorrector(half_life=10_000, prior_precision=3.0)
        chain = Chain([calibrator, drift]).fit(log.theta[:half], log.click[:half])
        said = np.empty_like(theta)
        for first in range(0, len(theta), BATCH):
            said[first : first + BATCH] = chain.transform(theta[first : first + BATCH])
            if first >= DELAY:
                known = slice(first - DELAY, first - DELAY + BATCH)
                chain.observe(theta[known], click[known])
        mended[way] = said
    return Half(click, theta, mended)


def figures() -> Iterator[Row]:
    """PCOC and log loss of each campaign and of the six together; nothing where the logs are absent."""
    if not FOLDER.is_dir():
        return
    found = {name: mend(file) for name, file in LOGS.items()}
    six = [found[f"campaign {name}"] for name in CAMPAIGNS]
    together = Half(
        np.concatenate([part.click for part in six]),
        np.concatenate([part.logged for part in six]),
        {way: np.concatenate([part.mended[way] for part in six]) for way in WAYS},
    )
    for name, part in {**found, "six campaigns together": together}.items():
        at = f"iPinYou {name}"
        yield Row(f"{at}: clicks judged on", float(part.click.sum()), "clicks")
        for when, p in {"logged": part.logged, **part.mended}.items():
            ratio = metrics.with_interval(metrics.pcoc, p, part.click, seed=0)
            yield Row(f"{at}: PCOC, {when}", ratio.value, f"({ratio.low:.3f} to {ratio.high:.3f})")
        for way, p in part.mended.items():
            off = abs(metrics.pcoc(p, part.click) - 1.0)
            yield Row(f"{at}: PCOC, {way}, distance from 1", off, "", "<= 0.1")
            yield gain(f"{at}: log loss, {way} less logged", p, part.logged, part.click, "< 0")


def picture(path: str) -> None:
    """PCOC by campaign on the second half, before and after."""
    parts = {name.removeprefix("campaign ").removesuffix(" log"): mend(file) for name, file in LOGS.items()}
    group = np.concatenate([np.repeat(name, len(part.click)) for name, part in parts.items()])
    clicks = np.concatenate([part.click for part in parts.values()])
    series = {
        "as logged": np.concatenate([part.logged for part in parts.values()]),
        **{
            f"recalibrated, {way}": np.concatenate([part.mended[way] for part in parts.values()])
            for way in WAYS
        },
    }
    plot_ratios(
        {name: metrics.pcoc_by_group(p, clicks, group) for name, p in series.items()},
        path,
        title="iPinYou, second half of each log",
    )


if __name__ == "__main__":
    picture(sys.argv[1])
