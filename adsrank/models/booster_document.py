"""XGBoost's JSON from an author who is not known.

The library trusts what it reads: a tree whose parent is -14 ends the process. So it is never given the
document that was found, only one that is written here.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError

MAX_TREES = 2_000
MAX_NODES = 4_096
WHOLE_COLUMNS = ("left_children", "right_children", "split_indices", "default_left")
FLOAT_COLUMNS = ("split_conditions", "base_weights", "loss_changes", "sum_hessian")
"""Of a tree, a number a node."""

CATEGORY_COLUMNS = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
"""Read by the library as places in other arrays."""

VERSION = (3, 2, 0)
"""Of XGBoost's JSON as it is written here."""
NO_PARENT = 2**31 - 1
"""Of the first node, as the library writes it."""
BASE_SCORE = re.compile(r"[-+0-9.eE]{1,32}|\[[-+0-9.eE]{1,32}\]")
MAX_FLOAT = float(np.finfo(np.float32).max)


def plain_booster(data: Any, features: int) -> dict[str, Any]:
    """The document, of `features` inputs, written anew from what was checked.

    Raises:
        InputError: not plain regression trees of one number a leaf; names the field.
    """
    try:
        learner = data["learner"]
        booster, params = learner["gradient_booster"], learner["learner_model_param"]
        model = booster["model"]
        trees = model["trees"]
        for where, found, wanted in (
            ("gradient_booster.name", booster["name"], "gbtree"),
            ("objective.name", learner["objective"]["name"], "reg:squarederror"),
            ("num_feature", params["num_feature"], str(features)),
            ("num_class", params["num_class"], "0"),
            ("num_target", params["num_target"], "1"),
            ("trees", 1 <= len(trees) <= MAX_TREES, True),
            ("num_trees", model["gbtree_model_param"]["num_trees"], str(len(trees))),
            ("num_parallel_tree", model["gbtree_model_param"]["num_parallel_tree"], "1"),
            ("tree_info", model["tree_info"], [0] * len(trees)),
            ("iteration_indptr", model["iteration_indptr"], list(range(len(trees) + 1))),
            ("cats", any(model.get("cats", {}).values()), False),
        ):
            if found != wanted:
                raise InputError(where, str(found)[:60], f"give {str(wanted)[:60]}: plain trees over numbers")
        base_score = params["base_score"]
        if not BASE_SCORE.fullmatch(base_score) or abs(float(base_score.strip("[]"))) > MAX_FLOAT:
            raise InputError("base_score", base_score[:60], "give one finite number")
        plain = [_plain_tree(tree, number, features) for number, tree in enumerate(trees)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("booster", f"{type(error).__name__}: {error}"[:120], "give XGBoost JSON") from None
    return {
        "version": list(VERSION),
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(plain))},
                    "iteration_indptr": list(range(len(plain) + 1)),
                    "tree_info": [0] * len(plain),
                    "trees": plain,
                },
            },
            "learner_model_param": {
                "base_score": base_score,
                "boost_from_average": "1",
                "num_class": "0",
                "num_feature": str(features),
                "num_target": "1",
            },
            "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
    }


def _plain_tree(tree: dict[str, Any], number: int, features: int) -> dict[str, Any]:
    """A tree whose child pointed outside it, or back, would be walked out of bounds or for ever."""
    where = f"trees[{number}]"
    nodes = int(tree["tree_param"]["num_nodes"])
    if not 1 <= nodes <= MAX_NODES:
        raise InputError(f"{where}.num_nodes", nodes, f"give 1 to {MAX_NODES}")
    if tree["tree_param"]["size_leaf_vector"] not in ("0", "1") or any(tree["split_type"]):
        raise InputError(where, "vector leaves or categories", "give trees of one number a leaf")
    if any(tree.get(name) for name in CATEGORY_COLUMNS):
        raise InputError(where, "categories", "give trees over numbers alone")
    columns: dict[str, npt.NDArray[Any]] = {
        **{name: np.array(tree[name], np.int64) for name in WHOLE_COLUMNS},
        **{name: np.array(tree[name], np.float64) for name in FLOAT_COLUMNS},
    }
    for name, column in columns.items():
        if column.shape != (nodes,):
            raise InputError(f"{where}.{name}", column.shape, f"give {nodes} numbers, one a node")
    for name in FLOAT_COLUMNS:
        if not np.all(np.abs(columns[name]) <= MAX_FLOAT):
            raise InputError(f"{where}.{name}", "not finite", "give finite numbers")
    left, right = columns["left_children"], columns["right_children"]
    at = np.arange(nodes)
    leaf = left == -1
    if not np.array_equal(leaf, right == -1):
        raise InputError(f"{where}.children", "one child", "give none or two")
    for children in (left, right):
        if np.any(~leaf & ((children <= at) | (children >= nodes))):
            raise InputError(
                f"{where}.children", "out of order", "children follow their parent, inside the tree"
            )
    if not np.array_equal(np.sort(np.concatenate([left[~leaf], right[~leaf]])), at[1:]):
        raise InputError(f"{where}.children", "shared or lost", "each node but the first is a child once")
    split, default = columns["split_indices"], columns["default_left"]
    if np.any((split < 0) | (split >= features)):
        raise InputError(f"{where}.split_indices", "out of range", f"give 0 to {features - 1}")
    if np.any((default < 0) | (default > 1)):
        raise InputError(f"{where}.default_left", "out of range", "give 0 or 1")
    parents = np.full(nodes, NO_PARENT)
    for children in (left, right):
        parents[children[~leaf]] = at[~leaf]
    return {
        **{name: column.tolist() for name, column in columns.items()},
        **{name: [] for name in CATEGORY_COLUMNS},
        "id": number,
        "parents": parents.tolist(),
        "split_type": [0] * nodes,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(nodes),
            "size_leaf_vector": "1",
        },
    }
