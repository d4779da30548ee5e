import json

import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.models.first_stage import FirstStage


def test_the_booster_survives_json_to_the_bit(trained, planted):
    stage, transform = trained.bundle.first_stage, trained.bundle.transform
    batch = transform.apply(planted.table.slice(0, 500))
    inputs = stage.inputs(batch).shape[1]
    again = FirstStage.from_json(stage.to_json(), stage.prior_, stage.cheap, inputs)
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


def no_trees(data):
    data["learner"]["gradient_booster"]["model"]["trees"] = []


def nothing(data):
    data.clear()


@pytest.mark.parametrize(
    "harm",
    [backwards, outside, no_such_feature, nan_leaf, short_column, another_booster, another_objective, wide,
     no_trees, nothing],
)  # fmt: skip
def test_a_hostile_booster_is_refused_before_the_library_walks_it(trained, planted, harm):
    stage = trained.bundle.first_stage
    inputs = stage.inputs(trained.bundle.transform.apply(planted.table.slice(0, 4))).shape[1]
    data = json.loads(stage.to_json())
    harm(data)
    with pytest.raises(InputError):
        FirstStage.from_json(json.dumps(data).encode(), stage.prior_, stage.cheap, inputs)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"[" * 100_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(InputError):
        FirstStage.from_json(text, np.zeros(3, np.float32), [], 3)
