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
from adsrank.models.document import canonical

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MAX_TREES = 2_000
MAX_NODES = 4_096
TREE_COLUMNS = (
    "left_children", "right_children", "parents", "split_indices", "split_conditions", "split_type",
    "default_left", "base_weights", "loss_changes", "sum_hessian",
)  # fmt: skip

CATEGORY_COLUMNS = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
"""Read by the library as places in other arrays."""


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
        """Rebuild from `to_json` and `tensors` (untrusted: every tree is walked before the library sees it).

        Raises:
            InputError: not a plain regression booster over the transform's cheap inputs; names the field.
        """
        prior = tensors["prior"]
        cheap = transform.cheap()
        _check_booster(data, len(cheap) + transform.width()[1][0])
        booster = xgb.Booster()
        try:
            # What was checked is what is read: another parser may take a document otherwise.
            booster.load_model(bytearray(canonical(data)))
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


def _check_booster(data: Any, features: int) -> None:
    """A tree whose child points outside the tree, or back, would be walked out of bounds or for ever."""
    try:
        learner = data["learner"]
        if learner["gradient_booster"]["name"] != "gbtree":
            raise InputError("gradient_booster.name", learner["gradient_booster"]["name"], "give gbtree")
        if learner["objective"]["name"] != "reg:squarederror":
            raise InputError("objective.name", learner["objective"]["name"], "give reg:squarederror")
        params = learner["learner_model_param"]
        if int(params["num_feature"]) != features:
            raise InputError("num_feature", params["num_feature"], f"the transform gives {features}")
        if params["num_class"] != "0" or params["num_target"] != "1":
            raise InputError("num_target", params["num_target"], "give one output")
        model = learner["gradient_booster"]["model"]
        trees = model["trees"]
        if not 1 <= len(trees) <= MAX_TREES or model["tree_info"] != [0] * len(trees):
            raise InputError("trees", len(trees), f"give 1 to {MAX_TREES} trees of one output")
        if int(model["gbtree_model_param"]["num_trees"]) != len(trees):
            raise InputError("num_trees", model["gbtree_model_param"]["num_trees"], f"there are {len(trees)}")
        if any(model.get("cats", {}).values()):
            raise InputError("cats", "categories", "give trees over numbers alone")
        if model["iteration_indptr"] != list(range(len(trees) + 1)):
            raise InputError("iteration_indptr", "other", "give one tree an iteration")
        for number, tree in enumerate(trees):
            _check_tree(tree, f"trees[{number}]", features)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("booster", f"{type(error).__name__}: {error}"[:120], "give XGBoost JSON") from None


def _check_tree(tree: dict[str, Any], where: str, features: int) -> None:
    nodes = int(tree["tree_param"]["num_nodes"])
    columns = {name: tree[name] for name in TREE_COLUMNS}
    if not 1 <= nodes <= MAX_NODES or any(len(column) != nodes for column in columns.values()):
        raise InputError(
            f"{where}.num_nodes", nodes, f"give 1 to {MAX_NODES} nodes and columns of that length"
        )
    if tree["tree_param"].get("size_leaf_vector") not in ("0", "1") or any(columns["split_type"]):
        raise InputError(where, "vector leaves or categories", "give trees of one number a leaf")
    if any(tree.get(name) for name in CATEGORY_COLUMNS):
        raise InputError(where, "categories", "give trees over numbers alone")
    left = np.array(columns["left_children"], np.int64)
    right = np.array(columns["right_children"], np.int64)
    split = np.array(columns["split_indices"], np.int64)
    at = np.arange(nodes)
    leaf = left == -1
    if not np.array_equal(leaf, right == -1):
        raise InputError(f"{where}.children", "one child", "give none or two")
    for children in (left, right):
        if np.any(~leaf & ((children <= at) | (children >= nodes))):
            raise InputError(
                f"{where}.children", "out of order", "children follow their parent, inside the tree"
            )
    if np.any((split < 0) | (split >= features)):
        raise InputError(f"{where}.split_indices", "out of range", f"give 0 to {features - 1}")
    if not np.isfinite(np.array(columns["split_conditions"], np.float64)).all():
        raise InputError(f"{where}.split_conditions", "not finite", "give finite numbers")
