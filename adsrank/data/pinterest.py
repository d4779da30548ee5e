"""A world made from the Pinterest user-pin saves: real pins, real tastes, real histories.

The file says who saved what and nothing else. Vectors come from a truncated singular value
decomposition of the normalised save matrix, interests from k-means over them. Countries, devices,
hours, save times, boards and risk grades are not in the data and are drawn from the seed.
"""

import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from adsrank.data.population import hour_profiles, people
from adsrank.data.saves import Saves, read_saves
from adsrank.data.world import (
    DAY_S,
    DIMENSION,
    UNLABELLED,
    Action,
    Float32,
    InterestTree,
    Pins,
    Users,
    World,
    unit,
)
from auction.billable import Grade
from auction.errors import InputError

SPACE = "pinterest-svd-v1"
EPOCH = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
LEAVES = 64
PARENTS = 8
MOST_INTERESTS = 6
_HISTORY_DAYS = 90


def _seed32(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def item_vectors(saves: Saves, column: np.ndarray, items: int, seed: int) -> Float32:
    """Unit vectors [items, 32] from the truncated SVD of the save matrix.

    Entry (user, item) is 1 / sqrt(saves of the user x saves of the item), which keeps heavy savers and
    popular pins from filling the first directions. The sign of each direction is set so that its
    largest entry is positive: equal data give equal vectors.
    """
    rows = np.repeat(np.arange(len(saves.user)), np.diff(saves.offset))
    of_user = np.bincount(rows, minlength=len(saves.user))
    of_item = np.bincount(column, minlength=items)
    value = (1.0 / np.sqrt(of_user[rows] * of_item[column])).astype(np.float64)
    matrix = csr_matrix((value, (rows, column)), shape=(len(saves.user), items))
    # The first direction only repeats popularity, so one more is computed and it is dropped.
    rank = min(DIMENSION + 1, *matrix.shape)
    _, strength, direction = randomized_svd(matrix, rank, n_iter=5, random_state=seed, flip_sign=False)
    peak = np.abs(direction).argmax(axis=1)
    direction = direction * np.sign(direction[np.arange(rank), peak])[:, None]
    vectors = (direction * np.sqrt(strength)[:, None]).T[:, 1:] / np.sqrt(np.maximum(of_item, 1))[:, None]
    padded = np.zeros((items, DIMENSION))
    padded[:, : vectors.shape[1]] = vectors
    # An item that the kept directions do not see at all still needs a direction of its own.
    blank = np.linalg.norm(padded, axis=1) < 1e-12
    padded[blank] = np.random.default_rng([seed, 1]).standard_normal((int(blank.sum()), DIMENSION))
    return unit(padded)


def interest_tree(vectors: Float32, rng: np.random.Generator) -> tuple[InterestTree, np.ndarray]:
    """Clusters of the items as leaves under clusters of their centres; also each item's leaf node."""
    leaves = min(LEAVES, len(vectors))
    grown = KMeans(leaves, n_init=2, random_state=_seed32(rng)).fit(vectors)
    used, cluster = np.unique(grown.labels_, return_inverse=True)
    centres = unit(grown.cluster_centers_[used])
    above = KMeans(min(PARENTS, len(used)), n_init=4, random_state=_seed32(rng)).fit(centres).labels_
    above = np.unique(above, return_inverse=True)[1]
    within = np.array([int((above[:k] == above[k]).sum()) for k in range(len(used))])
    leaf_node = 1000 * (above + 1) + 1 + within
    parents = np.unique(1000 * (above + 1))
    node = np.concatenate([parents, leaf_node])
    parent = np.concatenate([np.zeros(len(parents), np.int64), 1000 * (above + 1)])
    order = np.argsort(node)
    names = [
        f"group {n // 1000}" if n % 1000 == 0 else f"cluster {n // 1000}.{n % 1000}" for n in node[order]
    ]
    tree = InterestTree(node[order].astype(np.int32), parent[order].astype(np.int32), tuple(names))
    return tree, leaf_node[cluster].astype(np.int32)


def load(path: str | Path, seed: int, limit: int | None = None, epoch: int = EPOCH) -> World:
    """The world of the saves in a file or folder, of the first `limit` users where given.

    Raises:
        InputError: what `saves.read_saves` refuses, or fewer than two different items.
    """
    saves = read_saves(path, limit)
    known, column = np.unique(saves.item, return_inverse=True)
    if len(known) < 2:
        raise InputError(str(path), f"{len(known)} item", "give at least two different items")
    rng = np.random.default_rng([seed, 0x91])
    # One thread: sums in another order would give other clusters on another machine.
    with threadpool_limits(1), warnings.catch_warnings():
        # Few or equal items may fill fewer clusters than asked for: then there are fewer leaves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        vectors = item_vectors(saves, column, len(known), _seed32(rng))
        tree, leaf = interest_tree(vectors, rng)
    grade = rng.choice(
        [Grade.LOW, Grade.MEDIUM, Grade.HIGH, UNLABELLED], len(known), p=[0.82, 0.09, 0.03, 0.06]
    )
    pins = Pins(
        pin_id=known.astype(str),
        vector=vectors,
        interest=leaf,
        board=_boards(saves, column, leaf),
        popularity=np.bincount(column, minlength=len(known)).astype(np.float64),
        grade=grade.astype(np.int8),
    )
    users = _users(saves, column, pins, tree, rng, epoch)
    return World("pinterest", SPACE, epoch, tree, pins, users, hour_profiles())


def _boards(saves: Saves, column: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    """A board holds what one user saved first of all users, within one interest."""
    first = np.unique(column, return_index=True)[1]
    owner = np.searchsorted(saves.offset, first, side="right") - 1
    board: np.ndarray = np.unique(owner * (int(leaf.max()) + 1) + leaf, return_inverse=True)[1].astype(
        np.int32
    )
    return board


def _users(
    saves: Saves, column: np.ndarray, pins: Pins, tree: InterestTree, rng: np.random.Generator, epoch: int
) -> Users:
    count, leaves = len(saves.user), tree.leaves
    owner = np.repeat(np.arange(count), np.diff(saves.offset))
    leaf = tree.leaf_index(pins.interest[column])
    group, inverse = np.unique(owner * len(leaves) + leaf, return_inverse=True)
    size = np.bincount(inverse).astype(np.float64)
    taste = np.zeros((len(group), pins.vector.shape[1]))
    for axis in range(taste.shape[1]):
        taste[:, axis] = np.bincount(inverse, weights=pins.vector[column, axis])
    of_user = group // len(leaves)
    order = np.lexsort((group, -size, of_user))
    rank = np.arange(len(group)) - np.searchsorted(of_user[order], of_user[order], side="left")
    kept = order[rank < MOST_INTERESTS]
    offset = np.concatenate([[0], np.cumsum(np.bincount(of_user[kept], minlength=count))]).astype(np.int64)
    weight = size[kept] / np.bincount(of_user[kept], weights=size[kept], minlength=count)[of_user[kept]]
    time = epoch - 1 - (rng.random(len(owner)) * _HISTORY_DAYS * DAY_S).astype(np.int64)
    who = people(rng, count)
    return Users(
        user_id=saves.user.astype(str),
        country=who.country,
        device=who.device,
        language=who.language,
        profile=who.profile,
        activity=who.activity,
        interest_offset=offset,
        interest=leaves[group[kept] % len(leaves)].astype(np.int32),
        interest_weight=weight,
        interest_vector=unit(taste[kept]),
        action_offset=saves.offset.copy(),
        action_pin=column.astype(np.int64),
        action_type=np.full(len(column), Action.SAVE, np.int8),
        # Times are drawn, the order is the file's.
        action_time=time[np.lexsort((time, owner))],
    )
