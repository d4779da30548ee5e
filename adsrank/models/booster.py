"""A small booster as the first-stage ranker.

It reads the cheap numbers of the feature table and, for each categorical feature of the ad, a prior:
the mean of what the model says of that value. It imitates the model, so it has no labels of its own.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.special import expit

from adsrank.errors import InputError
from adsrank.features.batch import FeatureBatch
from adsrank.features.transform import CompiledTransform
from adsrank.models.booster_document import plain_booster
from adsrank.models.document import canonical

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class BoosterStage:
    """Scores candidates in about a millisecond a thousand.

    Parameters:
        booster: regression trees on `inputs`, predicting the model's click logit.
        prior: float32 [rows of the stacked embedding table].
        cheap: columns of `FeatureBatch.ad.numbers` to read.
    """

    kind = "xgboost"

    def __init__(self, booster: xgb.Booster, prior: Float32, cheap: list[int]) -> None:
        self.booster = booster
        self.prior_ = prior
        self.cheap = cheap
        # One thread: a request is too small to share, and threads that spin slow the others.
        booster.set_param({"nthread": 1})

    def inputs(self, batch: FeatureBatch) -> Float32:
        """float32 [n, cheap numbers + categorical features of the ad]."""
        return stage_inputs(batch, self.prior_, self.cheap)

    def score(self, batch: FeatureBatch) -> Float64:
        """Estimated p_click given examined, not calibrated: float64 [n] in (0, 1)."""
        if not len(batch):
            return np.zeros(0)
        logits = self.booster.inplace_predict(self.inputs(batch), validate_features=False)
        found: Float64 = expit(logits.astype(np.float64))
        return found

    def tensors(self) -> dict[str, Float32]:
        """What the booster itself does not hold."""
        return {"prior": self.prior_}

    def to_json(self) -> Any:
        """The booster in XGBoost's own JSON."""
        return json.loads(self.booster.save_raw("json"))

    @classmethod
    def from_json(cls, data: Any, tensors: Mapping[str, Float32], transform: CompiledTransform) -> Self:
        """Rebuild from `to_json` and `tensors` (untrusted: the library sees only what was checked).

        Raises:
            InputError: not a plain regression booster over the transform's cheap inputs; names the field.
        """
        prior = tensors["prior"]
        cheap = transform.cheap()
        plain = plain_booster(data, len(cheap) + transform.width()[1][0])
        booster = xgb.Booster()
        try:
            booster.load_model(bytearray(canonical(plain)))
        except xgb.core.XGBoostError as error:
            raise InputError("booster", "refused by XGBoost", str(error).strip().split("\n")[0]) from None
        return cls(booster, prior, cheap)

    @staticmethod
    def shapes(transform: CompiledTransform) -> dict[str, tuple[int, ...]]:
        """Of `tensors`."""
        return {"prior": (transform.rows_,)}


def stage_inputs(batch: FeatureBatch, prior: Float32, cheap: list[int]) -> Float32:
    """float32 [n, cheap numbers + categorical features of the ad]."""
    return np.concatenate([batch.ad.numbers[:, cheap], prior[batch.ad.ids]], axis=1)
