"""Distilling the model into the first stage: candidates that both score."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from adsrank.features.batch import FeatureBatch
from adsrank.features.transform import CompiledTransform
from adsrank.models.booster import BoosterStage, stage_inputs
from adsrank.models.first_stage import FirstStage
from adsrank.models.multitask import MultiTask
from adsrank.training.config import FirstStageConfig
from adsrank.training.towers import fit_towers

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


def fit_first_stage(
    transform: CompiledTransform,
    network: MultiTask,
    batch: FeatureBatch,
    config: FirstStageConfig,
    generator: np.random.Generator,
    threads: int = 1,
) -> FirstStage:
    """A booster or two towers that regress the network's click logit on cheap inputs.

    Half of the rows are those of `batch` (training rows), half pair a request with an ad that another
    request was shown: the log only has ads that some ranker chose, retrieval brings others too.
    """
    half = min(config.rows // 2, len(batch))
    own = generator.choice(len(batch), half, replace=False)
    other = generator.permutation(own)
    sample = FeatureBatch(
        batch.take(np.concatenate([own, own])).request, batch.take(np.concatenate([own, other])).ad
    )
    target = _logit(network.probabilities(sample)["click"])
    prior = _prior(sample.ad.ids, target, transform.rows_, config.shrinkage)
    if config.kind == "two_tower":
        return fit_towers(transform, network, sample, target, prior, config.towers, generator)
    inputs = stage_inputs(sample, prior, transform.cheap())
    booster = xgb.train(
        {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_depth": config.depth,
            "eta": config.learning_rate,
            "nthread": threads,
            "seed": int(generator.integers(2**31)),
        },
        xgb.QuantileDMatrix(inputs, target, nthread=threads),
        num_boost_round=config.trees,
    )
    return BoosterStage(booster, prior, transform.cheap())


def _prior(ids: Int64, target: Float64, rows: int, shrinkage: float) -> npt.NDArray[np.float32]:
    """Of each embedding row, the mean of the target's deviation, shrunk to 0 by `shrinkage` rows."""
    away = target - target.mean()
    flat, wide = ids.ravel(), np.repeat(away, ids.shape[1])
    total, count = np.bincount(flat, wide, rows), np.bincount(flat, minlength=rows)
    prior: npt.NDArray[np.float32] = (total / np.maximum(count + shrinkage, 1e-9)).astype(np.float32)
    return prior


@dataclass(frozen=True, slots=True)
class CutRecall:
    """How many of the model's best survive the cut."""

    recall: float
    top: int
    kept: int
    candidates: int
    requests: int

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def cut_recall(
    stage: FirstStage,
    network: MultiTask,
    batch: FeatureBatch,
    generator: np.random.Generator,
    requests: int = 20,
    candidates: int = 1000,
    kept: int = 200,
    top: int = 50,
) -> CutRecall:
    """Share of the model's `top` ads that are among the stage's best `kept` of `candidates`.

    Candidates are ads (with their match) drawn from the rows of `batch`, put before one row's request.
    Smaller tables shrink the three sizes in proportion.
    """
    size = min(candidates, len(batch))
    kept, top = max(1, kept * size // candidates), max(1, top * size // candidates)
    hits = 0
    for _ in range(requests):
        asked = int(generator.integers(len(batch)))
        ads = generator.choice(len(batch), size, replace=False)
        pool = FeatureBatch(batch.request.take(np.array([asked % len(batch.request)])), batch.take(ads).ad)
        best = np.argsort(-network.probabilities(pool)["click"], kind="stable")[:top]
        through = np.argsort(-stage.score(pool), kind="stable")[:kept]
        hits += int(np.isin(best, through).sum())
    return CutRecall(hits / (requests * top), top, kept, size, requests)


def _logit(p: Float64) -> Float64:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    found: Float64 = np.log(p / (1 - p))
    return found
