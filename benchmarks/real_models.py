"""The models of the public sets: the project's network, averaged over folds, and a hashed regression.

On ten thousand rows regularisation decides. Every choice is made on the training rows: each of eight
networks leaves out one block of them to choose its epoch, and the regression's strength is the one of
least loss on the blocks left out. What the two say of rows they left out is what calibrators learn from.
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.special import expit, logit
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from adsrank.features.transform import CompiledTransform
from adsrank.models.config import InteractionConfig, ModelConfig
from adsrank.training.config import TrainConfig
from adsrank.training.fit import fit_network
from benchmarks.real_tables import Task
from calibration import metrics

Float64 = npt.NDArray[np.float64]

FOLDS = 8
STRENGTHS = (0.01, 0.03, 0.1, 0.3)
"""Inverse weights of the ridge penalty that the regressions choose from."""
HASH_BITS = 18


def settings(task: Task, seed: int) -> TrainConfig:
    """A small DeepFM: first order and factorization machine beside one expert of 16-8."""
    return TrainConfig(
        seed=seed,
        batch_size=256 if task.train < 20_000 else 1024,
        epochs=8,
        heads=task.heads,
        weight_decay=0.01,
        attribution_days=0.0,
        learn_exposure=False,
        model=ModelConfig(
            embedding=4,
            products=False,
            sequence=None,
            mixture="shared_bottom",
            experts=1,
            hidden=16,
            output=8,
            tower=8,
            interaction=InteractionConfig(kind="fm", beside=True),
        ),
    )


def network(task: Task, folds: int = FOLDS) -> tuple[dict[str, Float64], dict[str, Float64]]:
    """Probabilities by head: of all rows [n], the mean of the folds' log-odds; and of the training rows
    [train], each by the one network that did not see it.
    """
    transform = CompiledTransform.fit(task.table.slice(0, task.train), task.spec)
    batch = transform.apply(task.table)
    rows = np.arange(task.train)
    total = {head: np.zeros(len(task.table)) for head in task.heads}
    apart = {head: np.zeros(task.train) for head in task.heads}
    for k, out in enumerate(np.array_split(rows, folds)):
        kept = np.setdiff1d(rows, out)
        fitted = fit_network(
            transform, batch.take(kept), task.known.take(kept), batch.take(out), task.known.take(out),
            settings(task, k),
        )  # fmt: skip
        for head, p in fitted.network.probabilities(batch).items():
            total[head] += logit(p) / folds
            apart[head][out] = p[out]
    return {head: expit(z) for head, z in total.items()}, apart


def regression(task: Task, label: Float64, folds: int = FOLDS) -> tuple[Float64, Float64]:
    """The baseline, a logistic regression on hashed words; as `network`, of one label [n]."""
    design = _hashed(task)
    rows = np.arange(task.train)
    y = label[: task.train]
    best, apart, strength = np.inf, np.zeros(task.train), STRENGTHS[0]
    for tried in STRENGTHS:
        found = np.zeros(task.train)
        for out in np.array_split(rows, folds):
            kept = np.setdiff1d(rows, out)
            found[out] = _regression(tried).fit(design[kept], y[kept]).predict_proba(design[out])[:, 1]
        loss = metrics.log_loss(found, y)
        if loss < best:
            best, apart, strength = loss, found, tried
    whole = _regression(strength).fit(design[: task.train], y)
    return whole.predict_proba(design)[:, 1], apart


def blend(first: Float64, second: Float64) -> Float64:
    """The mean of two models' log-odds, as probabilities."""
    mixed: Float64 = expit(0.5 * (logit(first) + logit(second)))
    return mixed


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, solver="liblinear", max_iter=300)


def _hashed(task: Task) -> csr_matrix:
    """`column=value`, hashed; a number by the whole part of its log squared, as click models long did."""
    columns = {name: task.table[name].to_pylist() for name in (*task.words, *task.numbers)}
    for name in task.numbers:
        columns[name] = [None if v is None else _step(float(v)) for v in columns[name]]
    words = ([f"{name}={values[k]}" for name, values in columns.items()] for k in range(len(task.table)))
    return FeatureHasher(2**HASH_BITS, input_type="string").transform(words).tocsr()


def _step(value: float) -> int:
    return int(np.log(value) ** 2) if value > 2.0 else int(value)
