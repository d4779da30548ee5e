"""The built-in world: everything the demo needs, from one seed, without a download."""

from datetime import UTC, datetime

import numpy as np

from adsrank.data.population import hour_profiles, people
from adsrank.data.topics import TOPICS
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

SPACE = "builtin-v1"
EPOCH = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
MOST_INTERESTS = 6
_PINS_PER_BOARD = 12
_HISTORY_DAYS = 30


def interest_tree() -> InterestTree:
    """Topics 100, 200, ... with leaves 101, 102, ... under the first."""
    rows: list[tuple[int, int, str]] = []
    for number, (topic, leaves) in enumerate(TOPICS.items(), start=1):
        rows.append((100 * number, 0, topic))
        rows += [(100 * number + 1 + k, 100 * number, leaf) for k, leaf in enumerate(leaves)]
    rows.sort()
    return InterestTree(
        node=np.array([row[0] for row in rows], np.int32),
        parent=np.array([row[1] for row in rows], np.int32),
        name=tuple(row[2] for row in rows),
    )


def _noise(rng: np.random.Generator, count: int, size: float) -> Float32:
    """Isotropic vectors [count, d] whose length is about `size`."""
    noise: Float32 = (rng.standard_normal((count, DIMENSION)) * (size / np.sqrt(DIMENSION))).astype(
        np.float32
    )
    return noise


def _leaf_centres(rng: np.random.Generator, tree: InterestTree) -> Float32:
    """Unit vectors of the leaves, in the order of `tree.leaves`: leaves of a topic are near each other."""
    topic_of = tree.parent[np.isin(tree.node, tree.leaves)]
    topics = unit(rng.standard_normal((len(np.unique(topic_of)), DIMENSION)))
    return unit(topics[np.searchsorted(np.unique(topic_of), topic_of)] + _noise(rng, len(topic_of), 1.0))


def _pins(rng: np.random.Generator, leaves: np.ndarray, centres: Float32, count: int) -> Pins:
    share = rng.dirichlet(np.full(len(leaves), 8.0))
    leaf = rng.choice(len(leaves), count, p=share)
    board_in_leaf = rng.integers(0, max(1, count // len(leaves) // _PINS_PER_BOARD), count)
    # Pins of one board are nearer to each other than to the rest of their interest.
    board = np.unique(leaf * 100_000 + board_in_leaf, return_inverse=True)[1]
    board_centre = _noise(rng, int(board.max()) + 1, 0.45)
    grade = rng.choice([Grade.LOW, Grade.MEDIUM, Grade.HIGH, UNLABELLED], count, p=[0.82, 0.09, 0.03, 0.06])
    return Pins(
        pin_id=np.array([f"p{number:07d}" for number in range(count)]),
        vector=unit(centres[leaf] + board_centre[board] + _noise(rng, count, 0.75)),
        interest=leaves[leaf].astype(np.int32),
        board=board.astype(np.int32),
        popularity=rng.lognormal(2.0, 1.1, count),
        grade=grade.astype(np.int8),
    )


def _users(
    rng: np.random.Generator, leaves: np.ndarray, centres: Float32, pins: Pins, count: int, epoch: int
) -> Users:
    several = 1 + rng.binomial(MOST_INTERESTS - 1, 0.45, count)
    # Interests follow popularity; Gumbel keys draw without replacement for all users at once.
    liking = np.log(rng.dirichlet(np.full(len(leaves), 4.0)) + 1e-6)
    ranked = np.argsort(-(liking + rng.gumbel(size=(count, len(leaves)))), axis=1)[:, :MOST_INTERESTS]
    column = np.arange(MOST_INTERESTS)
    chosen = column < several[:, None]
    weight = np.where(chosen, rng.gamma(1.5, 1.0, (count, MOST_INTERESTS)) + 0.05, 0.0)
    order = np.argsort(-weight, axis=1, kind="stable")
    ranked = np.take_along_axis(ranked, order, axis=1)
    weight = np.take_along_axis(weight, order, axis=1)
    weight /= weight.sum(axis=1, keepdims=True)
    chosen = column < several[:, None]
    offset = np.concatenate([[0], np.cumsum(several)]).astype(np.int64)
    leaf = ranked[chosen]
    taste = unit(centres[leaf] + _noise(rng, len(leaf), 0.6))

    actions = 5 + rng.poisson(20, count)
    action_offset = np.concatenate([[0], np.cumsum(actions)]).astype(np.int64)
    owner = np.repeat(np.arange(count), actions)
    pick = np.minimum((rng.random(len(owner))[:, None] > np.cumsum(weight, axis=1)[owner]).sum(axis=1), 5)
    pin = _liked_pins(rng, pins, leaves[ranked[owner, pick]], taste, offset[owner] + pick)
    time = epoch - 1 - (rng.random(len(owner)) * _HISTORY_DAYS * DAY_S).astype(np.int64)
    in_time = np.lexsort((time, owner))
    who = people(rng, count)
    return Users(
        user_id=np.array([f"u{number:06d}" for number in range(count)]),
        country=who.country,
        device=who.device,
        language=who.language,
        profile=who.profile,
        activity=who.activity,
        interest_offset=offset,
        interest=leaves[leaf].astype(np.int32),
        interest_weight=weight[chosen],
        interest_vector=taste,
        action_offset=action_offset,
        action_pin=pin[in_time],
        action_type=rng.choice(
            [Action.SAVE, Action.CLICK, Action.LONG_VIEW], len(owner), p=[0.5, 0.3, 0.2]
        ).astype(np.int8),
        action_time=time[in_time],
    )


def _liked_pins(
    rng: np.random.Generator, pins: Pins, leaf: np.ndarray, taste: Float32, taste_row: np.ndarray
) -> np.ndarray:
    """Of four pins of the wanted leaf, the one nearest to the user's taste; any pin in an empty leaf."""
    order = np.argsort(pins.interest, kind="stable")
    first = np.searchsorted(pins.interest[order], leaf, side="left")
    size = np.searchsorted(pins.interest[order], leaf, side="right") - first
    drawn = rng.random((len(leaf), 4))
    at = np.where(size[:, None] > 0, first[:, None] + drawn * size[:, None], drawn * len(order))
    rows = order[at.astype(np.int64)]
    near = np.einsum("nkd,nd->nk", pins.vector[rows], taste[taste_row])
    best: np.ndarray = rows[np.arange(len(rows)), near.argmax(axis=1)]
    return best


def generate(seed: int, users: int = 3000, pins: int = 8000, epoch: int = EPOCH) -> World:
    """A world of `users` and `pins` over 64 interests in a space of 32 dimensions.

    Equal arguments give equal worlds. `epoch` (seconds since 1970, UTC) ends the users' histories.

    Raises:
        InputError: a count below 1.
    """
    for name, value in (("users", users), ("pins", pins)):
        if value < 1:
            raise InputError(name, value, "give at least 1")
    rng = np.random.default_rng([seed, 0xB1])
    tree = interest_tree()
    leaves = tree.leaves
    centres = _leaf_centres(rng, tree)
    made = _pins(rng, leaves, centres, pins)
    return World(
        name="builtin",
        embedding_space=SPACE,
        epoch=epoch,
        tree=tree,
        pins=made,
        users=_users(rng, leaves, centres, made, users, epoch),
        hours=hour_profiles(),
    )
