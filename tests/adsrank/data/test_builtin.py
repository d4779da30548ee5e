import time

import numpy as np
import pytest

from adsrank.data.builtin import generate
from adsrank.data.world import UNLABELLED
from auction.billable import Grade
from auction.errors import InputError


def test_equal_seeds_give_equal_worlds(digest) -> None:
    first = digest(generate(3, users=50, pins=200))
    assert digest(generate(3, users=50, pins=200)) == first
    assert digest(generate(4, users=50, pins=200)) != first


def test_vectors_have_unit_length(world) -> None:
    for vectors in (world.pins.vector, world.users.interest_vector):
        assert vectors.dtype == np.float32
        assert vectors.shape[1] == 32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_every_interest_is_a_leaf_below_a_parent(world) -> None:
    tree = world.tree
    assert len(tree.leaves) == 64
    assert (np.diff(tree.node) > 0).all()
    assert set(tree.parent.tolist()) - {0} <= set(tree.node.tolist())
    assert (tree.leaf_index(world.pins.interest) >= 0).all()
    assert (tree.leaf_index(world.users.interest) >= 0).all()
    assert tree.leaf_index(np.array([100, 999, 0])).tolist() == [-1, -1, -1]


def test_pins_of_an_interest_are_nearer_to_each_other_than_to_the_rest(world) -> None:
    pins = world.pins
    cosine = pins.vector @ pins.vector.T
    same_leaf = pins.interest[:, None] == pins.interest
    same_board = (pins.board[:, None] == pins.board) & ~np.eye(len(cosine), dtype=bool)
    assert cosine[same_board].mean() > cosine[same_leaf].mean() + 0.03
    assert cosine[same_leaf].mean() > cosine[~same_leaf].mean() + 0.3


def test_a_board_belongs_to_one_interest(world) -> None:
    pairs = np.unique(np.column_stack([world.pins.board, world.pins.interest]), axis=0)
    assert len(pairs) == len(np.unique(world.pins.board))


def test_interests_of_a_user_differ_and_their_weights_sum_to_one(world) -> None:
    users = world.users
    several = []
    for low, high in zip(users.interest_offset[:-1], users.interest_offset[1:], strict=True):
        mine, weight = users.interest[low:high], users.interest_weight[low:high]
        assert 1 <= len(mine) <= 6
        assert len(set(mine.tolist())) == len(mine)
        assert abs(weight.sum() - 1) < 1e-9
        assert (np.diff(weight) <= 0).all()
        several.append(len(mine) > 1)
    assert np.mean(several) > 0.7


def test_histories_are_in_order_of_time_and_follow_the_interests(world) -> None:
    users = world.users
    owner = np.repeat(np.arange(len(users.user_id)), np.diff(users.action_offset))
    assert (np.diff(world.action_key) >= 0).all()
    assert users.action_time.max() < world.epoch
    liked = {
        (user, leaf)
        for user in range(len(users.user_id))
        for leaf in users.interest[users.interest_offset[user] : users.interest_offset[user + 1]].tolist()
    }
    leaf = world.pins.interest[users.action_pin].tolist()
    assert np.mean([(u, k) in liked for u, k in zip(owner.tolist(), leaf, strict=True)]) > 0.99


def test_an_unlabelled_pin_counts_as_medium_risk(world) -> None:
    unlabelled = world.pins.grade == UNLABELLED
    assert 0.02 < unlabelled.mean() < 0.12
    assert (world.pins.risk[unlabelled] == Grade.MEDIUM).all()
    assert (world.pins.risk[~unlabelled] == world.pins.grade[~unlabelled]).all()


def test_shares_of_hours_and_activity_sum_to_one(world) -> None:
    np.testing.assert_allclose(world.hours.sum(axis=1), 1.0)
    assert abs(world.users.activity.sum() - 1.0) < 1e-9
    assert world.hours.max() > 3 * world.hours.min()


@pytest.mark.parametrize("name", ["users", "pins"])
def test_a_world_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        generate(1, **{name: 0})


def test_the_smallest_world_is_a_world() -> None:
    world = generate(1, users=1, pins=1)
    assert len(world.users.user_id) == len(world.pins.pin_id) == 1
    assert time.gmtime(world.epoch).tm_wday == 0
