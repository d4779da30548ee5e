"""Public data: the project's network and calibrators beside a hashed logistic regression, with intervals.

Figures are of rows that no model and no calibrator has seen; `real_tables` says how each set is split.
`both` is the mean of the two models' log-odds. Everything is calibrated by Platt's line on what the models
said of training rows they had left out. A unit in brackets is the 95 % bootstrap interval.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import real_ipinyou
from benchmarks.real_gain import gain
from benchmarks.real_models import FOLDS, blend, network, regression
from benchmarks.real_tables import Task, tasks
from benchmarks.row import Row
from calibration import JointCalibrator, PlattCalibrator, metrics

Float64 = npt.NDArray[np.float64]

BASELINE, NETWORK, BOTH = "hashed regression", "network", "both"
TO_REACH = {
    ("Criteo 10k", BOTH, "NE"): "<= 0.873",
    ("Avazu 10k", BOTH, "NE"): "<= 0.914",
    ("TalkingData installs", NETWORK, "AUC"): ">= 0.97",
}
WALKED = ("Criteo 10k", "Avazu 10k")
"""Sets so small that one test part decides little: also judged on three windows, each after its training."""


def rows() -> Iterator[Row]:
    """Figures of every set that is beside the checkout; none where there is none."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for task in tasks():
            said = predictions(task)
            y = task.labels.click[task.train :]
            yield Row(f"{task.name}: rows judged on ({task.rule})", len(y), "rows")
            yield Row(f"{task.name}: positives among them", float(y.sum()), "rows")
            for model, p in said.items():
                yield from figures(task.name, model, p, y)
            yield gain(f"{task.name}: log loss, network less regression", said[NETWORK], said[BASELINE], y)
            yield gain(f"{task.name}: log loss, both less regression", said[BOTH], said[BASELINE], y)
            if task.name in WALKED:
                yield from walk_forward(task)
            if "conversion_given_click" in task.heads:
                yield from funnel(task)
        yield from real_ipinyou.figures()
    finally:
        torch.set_num_threads(threads)


def predictions(task: Task) -> dict[str, Float64]:
    """Calibrated probabilities of the first head, of the rows to judge on, by model."""
    # The larger sets need no more than four networks to average.
    folds = FOLDS if task.train < 20_000 else 4
    of_network, apart_network = (found["click"] for found in network(task, folds))
    of_regression, apart_regression = regression(task, task.known.click, folds)
    said = {
        BASELINE: (of_regression, apart_regression),
        NETWORK: (of_network, apart_network),
        BOTH: (blend(of_regression, of_network), blend(apart_regression, apart_network)),
    }
    known = task.known.click[: task.train]
    return {
        model: PlattCalibrator().fit(apart, known).transform(p[task.train :])
        for model, (p, apart) in said.items()
    }


def figures(name: str, model: str, p: Float64, y: Float64) -> Iterator[Row]:
    """NE, AUC and PCOC, each with its interval."""
    for short, metric in (("NE", metrics.normalized_entropy), ("AUC", metrics.auc), ("PCOC", metrics.pcoc)):
        found = metrics.with_interval(metric, p, y, seed=0)
        bound = TO_REACH.get((name, model, short))
        yield Row(f"{name}: {short}, {model}", found.value, f"({found.low:.3f} to {found.high:.3f})", bound)


def walk_forward(task: Task) -> Iterator[Row]:
    """Trained on the first 40, 60 and 80 % of the rows, judged on the 20 % after each."""
    n = len(task.table)
    said: dict[str, list[Float64]] = {}
    observed = []
    for start in (0.4, 0.6, 0.8):
        cut, end = round(start * n), min(n, round((start + 0.2) * n))
        window = np.arange(end)
        part = replace(
            task,
            table=task.table.slice(0, end),
            labels=task.labels.take(window),
            known=task.known.take(window),
            train=cut,
        )
        observed.append(part.labels.click[cut:])
        for model, p in predictions(part).items():
            said.setdefault(model, []).append(p)
    y = np.concatenate(observed)
    every = {model: np.concatenate(parts) for model, parts in said.items()}
    name = f"{task.name}, three windows"
    for model, p in every.items():
        yield from figures(name, model, p, y)
    yield gain(f"{name}: log loss, network less regression", every[NETWORK], every[BASELINE], y)
    yield gain(f"{name}: log loss, both less regression", every[BOTH], every[BASELINE], y)


def funnel(task: Task) -> Iterator[Row]:
    """A funnel's second event: the heads' product, their joint calibrator, and a regression on it."""
    p, apart = network(task, 4)
    train, bought = task.train, task.labels.conversion
    clicks = PlattCalibrator().fit(apart["click"], task.labels.click[:train])
    joint = JointCalibrator().fit(
        clicks.transform(apart["click"]), apart["conversion_given_click"], bought[:train]
    )
    click, given = clicks.transform(p["click"][train:]), p["conversion_given_click"][train:]
    direct, direct_apart = regression(task, bought, 4)
    y = bought[train:]
    name = f"{task.name} conversion"
    yield Row(f"{name}: positives judged on", float(y.sum()), "rows")
    yield from figures(name, "network, product of its heads", click * given, y)
    yield from figures(name, "network, joint calibrator", joint.transform(click, given), y)
    calibrated = PlattCalibrator().fit(direct_apart, bought[:train]).transform(direct[train:])
    yield from figures(name, BASELINE, calibrated, y)
    yield gain(f"{name}: log loss, joint less regression", joint.transform(click, given), calibrated, y)
