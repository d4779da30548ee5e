"""The world that ads are shown in: interests, pins on boards, users with tastes and histories.

A world holds what exists; how users react to ads is `truth.Truth`, which the engine never sees.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from auction.billable import Grade

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Text = npt.NDArray[np.str_]

DIMENSION = 32
UNLABELLED = -1
"""Grade of a pin that no classifier has seen; beside an ad it counts as MEDIUM."""
DAY_S = 86_400
MICROS = 1_000_000
"""Microseconds of a second."""
TIME_SPAN = 2**36
"""More seconds than any time here has."""


class Action(IntEnum):
    """What a user did with a pin. Codes are written to files: never renumber, only append."""

    SAVE = 0
    CLICK = 1
    LONG_VIEW = 2


@dataclass(frozen=True, slots=True)
class InterestTree:
    """Interests as nodes: `node` ascending and positive, `parent` 0 at the top."""

    node: Int32
    parent: Int32
    name: tuple[str, ...]

    @property
    def leaves(self) -> Int32:
        """Nodes that are nobody's parent, ascending."""
        return self.node[~np.isin(self.node, self.parent)]

    def leaf_index(self, nodes: npt.NDArray[np.integer]) -> Int64:
        """Index of each leaf node in `leaves`; -1 where a node is no leaf."""
        leaves = self.leaves
        at = np.minimum(np.searchsorted(leaves, nodes), len(leaves) - 1)
        return np.where(leaves[at] == nodes, at, -1).astype(np.int64)

    def siblings(self, leaf: int) -> Int32:
        """The other leaves below the leaf's parent."""
        below = self.parent == self.parent[np.searchsorted(self.node, leaf)]
        others: Int32 = self.node[below & (self.node != leaf) & ~np.isin(self.node, self.parent)]
        return others

    def name_of(self, node: int) -> str:
        """The name of a node of the tree."""
        return self.name[int(np.searchsorted(self.node, node))]


@dataclass(frozen=True, slots=True)
class Pins:
    """Columns of n pins."""

    pin_id: Text
    vector: Float32
    """[n, d], of unit length."""
    interest: Int32
    """Leaf node."""
    board: Int32
    popularity: Float64
    """Positive; saves or a stand-in for them."""
    grade: Int8
    """`Grade` codes, or UNLABELLED."""

    @property
    def risk(self) -> Int8:
        """Grade that counts beside an ad: MEDIUM where unlabelled."""
        return np.where(self.grade == UNLABELLED, int(Grade.MEDIUM), self.grade).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Users:
    """Columns of n users; interests and actions are rows of user i in [offset[i], offset[i + 1])."""

    user_id: Text
    country: Text
    device: Text
    language: Text
    profile: Int32
    """Row of `World.hours`: when the user is there."""
    activity: Float64
    """Relative number of sessions; sums to 1."""
    interest_offset: Int64
    interest: Int32
    """Leaf nodes, the strongest interest of a user first."""
    interest_weight: Float64
    """Sums to 1 over a user."""
    interest_vector: Float32
    """[rows, d], of unit length: the user's own taste inside the interest."""
    action_offset: Int64
    action_pin: Int64
    """Row of the pin."""
    action_type: Int8
    """`Action` codes."""
    action_time: Int64
    """Seconds since 1970 UTC, ascending for each user."""


@dataclass(frozen=True)
class World:
    name: str
    embedding_space: str
    epoch: int
    """Seconds since 1970 UTC at which the users' histories stop."""
    tree: InterestTree
    pins: Pins
    users: Users
    hours: Float64
    """[profiles, 24]: share of a user's sessions by hour of the day in UTC; rows sum to 1."""

    @property
    def dimension(self) -> int:
        return int(self.pins.vector.shape[1])

    @cached_property
    def action_key(self) -> Int64:
        """Row of the user times TIME_SPAN plus second of each action: ascending, made to be searched."""
        owner = np.repeat(np.arange(len(self.users.user_id)), np.diff(self.users.action_offset))
        key: Int64 = owner * TIME_SPAN + self.users.action_time
        return key

    @cached_property
    def user_row(self) -> dict[str, int]:
        """Row of each user id."""
        return {str(user): row for row, user in enumerate(self.users.user_id)}


def unit(vectors: npt.NDArray[np.floating]) -> Float32:
    """Vectors [..., d] scaled to length 1 in float32; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Float32 = (vectors / np.where(length > 0, length, 1.0)).astype(np.float32)
    return scaled
