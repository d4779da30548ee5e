"""The ads themselves: which pin each promotes, and what else stands in its row."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from adsrank.data.world import Float32, World, unit

FIRST_AD = 4_000_001
FORMATS = ("image", "video", "carousel", "collection")
_FORMAT_SHARE = (0.58, 0.22, 0.13, 0.07)
_RISKS = ("LOW", "MEDIUM", "HIGH")
_RISK_SHARE = (0.25, 0.6, 0.15)
_PAUSED, _UNDER_REVIEW, _LATE = 0.02, 0.01, 0.06


class Creatives:
    """All ads of a market, drawn column by column; `row` writes one of them out."""

    def __init__(self, rng: np.random.Generator, world: World, owner: np.ndarray, start: datetime) -> None:
        count = len(owner)
        self._world = world
        self.pin = _promoted(rng, world, _traded_leaves(rng, world, int(owner.max()) + 1), owner)
        self.leaf = world.pins.interest[self.pin]
        self._vector = _vectors(rng, world, self.pin).tolist()
        self._format = rng.choice(len(FORMATS), count, p=_FORMAT_SHARE)
        self._risk = rng.choice(len(_RISKS), count, p=_RISK_SHARE)
        self._paused = rng.random(count) < _PAUSED
        self._under_review = rng.random(count) < _UNDER_REVIEW
        # Most ads are two weeks to two months old; a few begin around the start.
        age = rng.integers(15 * 24, 75 * 24, count)
        hours = np.where(rng.random(count) < _LATE, age / 5 - 3 * 24, -age)
        self._created_at = [iso(start + timedelta(hours=float(hour))) for hour in hours]
        self._extra = _extra_interests(rng, world, self.leaf)

    def row(self, number: int, ad_group_id: int) -> dict[str, Any]:
        """The catalog row of ad `number`."""
        ad, leaf = FIRST_AD + number, int(self.leaf[number])
        return {
            "kind": "ad",
            "id": ad,
            "ad_group_id": ad_group_id,
            "name": f"Ad {ad}",
            "status": "PAUSED" if self._paused[number] else "ACTIVE",
            "format": FORMATS[self._format[number]],
            "title": f"Ideas for {self._world.tree.name_of(leaf)}",
            "description": f"Promotes pin {self._world.pins.pin_id[self.pin[number]]}",
            "destination_url": f"https://shop.example/{ad}",
            "interests": [leaf, *self._extra[number]],
            "embedding": self._vector[number],
            "embedding_space": self._world.embedding_space,
            "max_adjacent_risk": _RISKS[self._risk[number]],
            "policy_labels": ["under_review"] if self._under_review[number] else [],
            "created_at": self._created_at[number],
        }


def iso(time: datetime) -> str:
    """ISO 8601 in UTC, whole seconds."""
    return time.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _extra_interests(rng: np.random.Generator, world: World, leaf: np.ndarray) -> list[list[int]]:
    """None, one or two leaves beside each main one, below the same parent."""
    siblings = {node: world.tree.siblings(node).tolist() for node in np.unique(leaf).tolist()}
    many, first, second = rng.integers(3, size=len(leaf)), rng.random(len(leaf)), rng.random(len(leaf))
    extra = []
    for node, count, one, two in zip(leaf.tolist(), many, first, second, strict=True):
        left = list(siblings[node])
        extra.append([left.pop(int(drawn * len(left))) for drawn in (one, two)[:count] if left])
    return extra


def _traded_leaves(rng: np.random.Generator, world: World, advertisers: int) -> list[list[int]]:
    """One to four leaves of one topic for each advertiser, and sometimes one from elsewhere."""
    leaves = world.tree.leaves
    topic = world.tree.parent[np.searchsorted(world.tree.node, leaves)]
    traded = []
    for _ in range(advertisers):
        near = np.flatnonzero(topic == topic[rng.integers(len(leaves))])
        some = rng.choice(near, min(len(near), 1 + int(rng.integers(4))), replace=False)
        if rng.random() < 0.2:
            some = np.union1d(some, [rng.integers(len(leaves))])
        traded.append(leaves[some].tolist())
    return traded


def _promoted(
    rng: np.random.Generator, world: World, traded: list[list[int]], owner: np.ndarray
) -> np.ndarray:
    """The pin of each ad: from its advertiser's leaves while there are any, else any pin not taken."""
    shelf: dict[int, list[int]] = {}
    shuffled = rng.permutation(len(world.pins.pin_id)).tolist()
    for pin in shuffled:
        shelf.setdefault(int(world.pins.interest[pin]), []).append(pin)
    taken: set[int] = set()
    chosen = np.zeros(len(owner), np.int64)
    for ad in rng.permutation(len(owner)):
        stock = shuffled
        for leaf in sorted(traded[owner[ad]], key=lambda _: rng.random()):
            while shelf.get(leaf) and shelf[leaf][-1] in taken:
                shelf[leaf].pop()
            if shelf.get(leaf):
                stock = shelf[leaf]
                break
        while stock and stock[-1] in taken:
            stock.pop()
        chosen[ad] = stock.pop() if stock else rng.integers(len(world.pins.pin_id))
        taken.add(int(chosen[ad]))
    return chosen


def _vectors(rng: np.random.Generator, world: World, pin: np.ndarray) -> Float32:
    vector = world.pins.vector[pin]
    first = np.zeros(len(pin), bool)
    first[np.unique(pin, return_index=True)[1]] = True
    apart = rng.standard_normal(vector.shape) * (0.3 / np.sqrt(world.dimension))
    return np.where(first[:, None], vector, unit(vector + apart))
