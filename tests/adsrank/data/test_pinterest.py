from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adsrank.data.advertise import advertise
from adsrank.data.pinterest import load
from adsrank.data.saves import read_saves
from adsrank.data.traffic import requests
from adsrank.data.truth import Truth
from adsrank.data.world import Action, World
from auction.errors import InputError

START = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def communities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten groups of 24 items; each of 300 users saves 12 of one group and 3 of the next."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("saves") / "train.txt"
    with path.open("w") as out:
        for user in range(300):
            home = user % 10
            mine = home * 24 + rng.choice(24, 12, replace=False)
            also = (home + 1) % 10 * 24 + rng.choice(24, 3, replace=False)
            out.write(" ".join(str(n) for n in (1000 + user, *mine, *also)) + "\n")
    return path


@pytest.fixture(scope="module")
def small(communities: Path) -> World:
    return load(communities, 5)


def test_equal_seeds_give_equal_worlds(communities: Path, small: World, digest) -> None:
    assert digest(load(communities, 5)) == digest(small)
    assert digest(load(communities, 6)) != digest(small)


def test_items_saved_together_are_near_each_other(small: World) -> None:
    group = small.pins.pin_id.astype(int) // 24
    cosine = small.pins.vector @ small.pins.vector.T
    same = group[:, None] == group
    assert cosine[same].mean() > cosine[~same].mean() + 0.5


def test_histories_are_the_saves_in_file_order(communities: Path, small: World) -> None:
    saves = read_saves(communities)
    assert small.pins.pin_id[small.users.action_pin].astype(int).tolist() == saves.item.tolist()
    assert small.users.user_id.astype(int).tolist() == saves.user.tolist()
    assert (small.users.action_type == Action.SAVE).all()
    assert (np.diff(small.action_key) >= 0).all()
    assert small.users.action_time.max() < small.epoch


def test_a_users_interest_vector_is_the_mean_of_its_saves_there(small: World) -> None:
    users, pins = small.users, small.pins
    mine = users.action_pin[users.action_offset[3] : users.action_offset[4]]
    row = users.interest_offset[3]
    there = mine[pins.interest[mine] == users.interest[row]]
    mean = pins.vector[there].sum(axis=0)
    np.testing.assert_allclose(users.interest_vector[row], mean / np.linalg.norm(mean), atol=1e-5)
    assert len(there) == max(np.unique(pins.interest[mine], return_counts=True)[1])


def test_a_limit_reads_the_first_users_only(communities: Path) -> None:
    assert load(communities, 5, limit=20).users.user_id.tolist() == [str(1000 + k) for k in range(20)]


def test_one_item_is_no_world(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1 2\n3 2\n")
    with pytest.raises(InputError, match="two different items"):
        load(tmp_path, 1)


def test_two_items_are_a_world(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1 2\n3 2 4\n")
    world = load(tmp_path, 1)
    np.testing.assert_allclose(np.linalg.norm(world.pins.vector, axis=1), 1.0, atol=1e-5)


def test_ads_promote_pins_and_carry_their_vectors(small: World) -> None:
    rows = advertise(small, 5, advertisers=10, ads=100)
    vectors = dict(zip(small.pins.pin_id.tolist(), small.pins.vector, strict=True))
    promoted = [row for row in rows if row["kind"] == "ad"]
    for row in promoted:
        assert row["embedding"] == vectors[row["description"].split()[-1]].tolist()
        assert row["embedding_space"] == "pinterest-svd-v1"
    assert len({row["description"] for row in promoted}) == 100


def test_the_real_saves_make_a_world_with_traffic_and_truth(pinterest_folder: Path) -> None:
    world = load(pinterest_folder, 7)
    assert len(world.users.user_id) == 37_501
    assert len(world.tree.leaves) == 64
    assert 9_000 < len(world.pins.pin_id) <= 9_836
    vectors = world.pins.vector
    rng = np.random.default_rng(0)
    user = rng.integers(0, 37_501, 300)
    own = [vectors[world.users.action_pin[world.users.action_offset[u] :][:2]] for u in user]
    together = np.mean([pair[0] @ pair[1] for pair in own])
    apart = np.mean([own[k][0] @ own[k - 1][1] for k in range(300)])
    assert together > apart + 0.3, (together, apart)
    rows = advertise(world, 7, advertisers=40, ads=500)
    truth = Truth(world, rows, 7)
    for request in requests(world, 7, START, 1, 50):
        chances = truth.chances(truth.context(request, truth.inventory.ad_id))
        assert ((chances.click > 0) & (chances.click < 1)).all()
        assert request.user_interests
        assert request.recent_interests
        assert request.intents
