import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.models.booster import BoosterStage


def test_the_booster_survives_json_to_the_bit(trained, planted):
    stage, transform = trained.bundle.first_stage, trained.bundle.transform
    batch = transform.apply(planted.table.slice(0, 500))
    again = BoosterStage.from_json(stage.to_json(), stage.tensors(), transform)
    assert again.to_json() == stage.to_json()
    scores = stage.score(batch)
    assert np.array_equal(again.score(batch), scores)
    assert np.all((scores > 0) & (scores < 1))
    assert len(np.unique(scores)) > 100


def test_no_candidates_give_no_scores(trained, planted):
    batch = trained.bundle.transform.apply(planted.table.slice(0, 4))
    assert trained.bundle.first_stage.score(batch.take(np.zeros(0, np.int64))).shape == (0,)


def tree(data):
    return data["learner"]["gradient_booster"]["model"]["trees"][0]


def backwards(data):
    tree(data)["left_children"][1] = 0


def outside(data):
    tree(data)["right_children"][0] = 10_000


def no_such_feature(data):
    tree(data)["split_indices"][0] = 99


def nan_leaf(data):
    tree(data)["split_conditions"][-1] = "nan"


def short_column(data):
    tree(data)["split_conditions"].pop()


def another_booster(data):
    data["learner"]["gradient_booster"]["name"] = "gblinear"


def another_objective(data):
    data["learner"]["objective"]["name"] = "multi:softmax"


def wide(data):
    data["learner"]["learner_model_param"]["num_feature"] = "3"


def a_category(data):
    tree(data)["categories_nodes"] = [10**6]


def huge_number(data):
    tree(data)["left_children"][0] = 10**30


def no_object(data):
    tree(data)["tree_param"] = "x"


def shared_child(data):
    tree(data)["left_children"][0] = tree(data)["right_children"][0]


def endless_number(data):
    tree(data)["base_weights"][0] = float("inf")


def no_direction(data):
    tree(data)["default_left"][0] = 7


def no_base_score(data):
    data["learner"]["learner_model_param"]["base_score"] = "nan"


def half_a_bracket(data):
    data["learner"]["learner_model_param"]["base_score"] = "[1E0"


def many_base_scores(data):
    data["learner"]["learner_model_param"]["base_score"] = "[1E0,2E0]"


def no_trees(data):
    data["learner"]["gradient_booster"]["model"]["trees"] = []


def nothing(data):
    data.clear()


@pytest.mark.parametrize(
    "harm",
    [backwards, outside, no_such_feature, nan_leaf, short_column, another_booster, another_objective, wide,
     a_category, huge_number, shared_child, endless_number, no_direction, no_base_score, many_base_scores,
     half_a_bracket, no_object, no_trees, nothing],
)  # fmt: skip
def test_a_hostile_booster_is_refused_before_the_library_walks_it(trained, harm):
    stage = trained.bundle.first_stage
    data = stage.to_json()
    harm(data)
    with pytest.raises(InputError):
        BoosterStage.from_json(data, stage.tensors(), trained.bundle.transform)


def test_what_was_not_checked_never_reaches_the_library(trained, planted):
    """A parent of -14, or parameters of other types, ended the process inside XGBoost."""
    stage = trained.bundle.first_stage
    batch = trained.bundle.transform.apply(planted.table.slice(0, 100))
    data = stage.to_json()
    tree(data)["parents"][-1] = -14
    tree(data)["tree_param"] |= {"num_deleted": "-1", "num_feature": "99999"}
    data["learner"] |= {"feature_names": 7, "feature_types": ["c"], "attributes": {"best_iteration": []}}
    data["version"] = [0, -1, 2**31]
    again = BoosterStage.from_json(data, stage.tensors(), trained.bundle.transform)
    assert np.array_equal(again.score(batch), stage.score(batch))
    assert again.to_json() == stage.to_json()


@pytest.mark.parametrize("data", [None, [1], {}, "tree"])
def test_what_is_no_booster_is_refused(trained, data):
    stage = trained.bundle.first_stage
    with pytest.raises(InputError):
        BoosterStage.from_json(data, stage.tensors(), trained.bundle.transform)
