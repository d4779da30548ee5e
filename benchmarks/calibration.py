"""Calibrators on a market of known truth, beside scikit-learn's: how near, how fast, and what winners show.

Run as a program it writes the winner's curve: python -m benchmarks.calibration docs/images/winners_curve.png
"""

import sys
from collections.abc import Callable, Iterator
from time import process_time

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from benchmarks.row import Row
from calibration import BetaCalibrator, Calibrator, IsotonicCalibrator, PlattCalibrator, metrics
from calibration.ratio_plot import plot_winners_curve

Float64 = npt.NDArray[np.float64]

FIT, JUDGED, ADS = 100_000, 100_000, 8


def market(auctions: int, seed: int) -> tuple[Float64, Float64, Float64]:
    """Truth [auctions, ads] about 2 %, a model's score of it, and clicks.

    Users differ more than ads do, and the model errs on each ad: so the ads that it ranks first are the
    ones that it flatters. Its scores are too high, too steep and bent.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(-4.2, 0.7, (auctions, 1)) + rng.normal(0.0, 0.3, (auctions, ADS))
    truth = expit(z)
    found = z + rng.normal(0.0, 0.4, z.shape)
    score = expit(1.25 * found + 1.0 + 0.03 * found * found)
    return truth, score, (rng.random(z.shape) < truth).astype(np.float64)


def excess(p: Float64, truth: Float64) -> float:
    """Mean Kullback-Leibler divergence from the truth, in nats: the log loss that is the calibrator's own."""
    said = np.clip(p, 1e-12, 1.0 - 1e-12)
    gap = truth * np.log(truth / said) + (1.0 - truth) * np.log((1.0 - truth) / (1.0 - said))
    return float(gap.mean())


def rows() -> Iterator[Row]:
    """Excess loss, speed, ties; then winners, calibrated on all candidates or on winners."""
    _, score, click = (column.ravel()[:FIT] for column in market(FIT // ADS, 1))
    truth, later, _ = (column.ravel()[:JUDGED] for column in market(JUDGED // ADS, 2))
    # What no map of the score can take away: the truth given the score, from a large sample.
    few = np.sort(later)[:: JUDGED // 500]
    for name, fit in FITTERS.items():
        started = process_time()
        transform = fit(score, click)
        fitted = process_time() - started
        p = transform(later)
        yield Row(f"{name}: excess log loss, {FIT:,} rows", 1e6 * excess(p, truth), "micronats")
        yield Row(f"{name}: fit", FIT / max(fitted, 1e-9), "rows/s of processor time")
        yield Row(f"{name}: transform of 500 scores", 1e6 * _each(transform, few), "us")
        tied = int((np.diff(np.sort(p)) == 0.0).sum()) - int((np.diff(np.sort(later)) == 0.0).sum())
        ours = not name.startswith("scikit-learn")
        yield Row(f"{name}: ties made among {JUDGED:,} scores", tied, "pairs", "== 0" if ours else None)
    yield from winners()


def winners() -> Iterator[Row]:
    """The winner of each auction is the highest of eight calibrated scores."""
    everyone, chosen = _winners(1)
    later, later_chosen = _winners(2)
    whole = IsotonicCalibrator().fit(*everyone[:2])
    p = whole.transform(later_chosen[0])
    found = metrics.with_interval(metrics.pcoc, whole.transform(later[0]), later[1], seed=0, replicates=100)
    yield Row("PCOC on all candidates", found.value, f"({found.low:.3f} to {found.high:.3f})")
    found = metrics.with_interval(metrics.pcoc, p, later_chosen[1], seed=0)
    yield Row(
        "PCOC on winners, calibrated on all candidates",
        found.value,
        f"({found.low:.3f} to {found.high:.3f})",
    )
    again = IsotonicCalibrator().fit(chosen[0], chosen[1]).transform(later_chosen[0])
    found = metrics.with_interval(metrics.pcoc, again, later_chosen[1], seed=0)
    yield Row("PCOC on winners, calibrated on winners", found.value, f"({found.low:.3f} to {found.high:.3f})")


def picture(path: str) -> None:
    """Winners' PCOC by margin of victory, for both ways."""
    everyone, chosen = _winners(1, 200_000)
    _, later = _winners(2, 200_000)
    plot_winners_curve(
        IsotonicCalibrator().fit(*everyone[:2]).transform(later[0]),
        later[1],
        later[2],
        path,
        name="calibrated on all candidates",
        others={"calibrated on winners": IsotonicCalibrator().fit(*chosen[:2]).transform(later[0])},
        title="Winners of 200,000 auctions of 8 ads, by margin of victory",
    )


def _winners(seed: int, auctions: int = 50_000) -> tuple[tuple[Float64, ...], tuple[Float64, ...]]:
    """(score, click) of all candidates, and (score, click, margin in log-odds) of the winners."""
    _, score, click = market(auctions, seed)
    order = np.argsort(score, axis=1)
    at = np.arange(auctions)
    first, second = score[at, order[:, -1]], score[at, order[:, -2]]
    margin = logit(first) - logit(second)
    return (score.ravel(), click.ravel()), (first, click[at, order[:, -1]], margin)


def _each(transform: Callable[[Float64], Float64], scores: Float64, times: int = 200) -> float:
    transform(scores)
    started = process_time()
    for _ in range(times):
        transform(scores)
    return (process_time() - started) / times


def _own(calibrator: Calibrator) -> Callable[[Float64, Float64], Callable[[Float64], Float64]]:
    return lambda scores, labels: calibrator.clone().fit(scores, labels).transform


def _sklearn_isotonic(scores: Float64, labels: Float64) -> Callable[[Float64], Float64]:
    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    predict: Callable[[Float64], Float64] = fitted.predict
    return predict


def _sklearn_sigmoid(scores: Float64, labels: Float64) -> Callable[[Float64], Float64]:
    line = LogisticRegression(C=1e6).fit(logit(scores)[:, None], labels)
    return lambda later: line.predict_proba(logit(later)[:, None])[:, 1]


FITTERS: dict[str, Callable[[Float64, Float64], Callable[[Float64], Float64]]] = {
    "isotonic": _own(IsotonicCalibrator()),
    "platt": _own(PlattCalibrator()),
    "beta": _own(BetaCalibrator()),
    "scikit-learn isotonic": _sklearn_isotonic,
    "scikit-learn logistic on log-odds": _sklearn_sigmoid,
}

if __name__ == "__main__":
    picture(sys.argv[1])
