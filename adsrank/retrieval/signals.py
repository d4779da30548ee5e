"""What a request says about what is wanted: the only part of it that sources are shown.

Privacy holds here for retrieval: without personalization only the page's own intents count, and no
interest of the user's.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError
from adsrank.features.columns import RECENT, usable_intents
from adsrank.request import AdRequest
from adsrank.retrieval.index import check_space

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MAX_INTERESTS = 16
"""Interests that are looked up, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Intents and interests of a request that may be used."""

    seed: int
    """64 bits of the request id: draws samples, never the user's."""
    units: Float32
    """Unit intents [m, d]; m = 0 without usable ones."""
    weights: Float64
    """[m], summing to 1."""
    numbers: npt.NDArray[np.int8]
    """Place of each in `AdRequest.intents`, [m]."""
    interests: tuple[int, ...]
    """Stated and recent interests, weightiest first."""
    interest_weights: Float64
    stated: tuple[int, ...]
    """The user's interests as stated: what `interest_match` compares with."""

    @classmethod
    def of(cls, request: AdRequest, space: str | None, dimension: int) -> "Signals":
        """Read `request` for ads with vectors of `space` and `dimension` (0: no ad has one).

        Raises:
            SpaceMismatch: the intents are of another space.
            InputError: an intent of another length, or without direction.
        """
        intents = usable_intents(request)
        units, weights, numbers = np.zeros((0, dimension), np.float32), np.zeros(0), np.zeros(0, np.int8)
        if intents and dimension:
            check_space(request.embedding_space, space)
            units = _units(
                [(f"intents[{n}].embedding", intent.embedding) for n, intent in intents], dimension
            )
            weights = np.asarray([intent.weight for _, intent in intents])
            weights /= weights.sum()
            numbers = np.asarray([number for number, _ in intents], np.int8)
        stated = tuple(dict.fromkeys(request.user_interests)) if request.personalized else ()
        recent = request.recent_interests[-RECENT:] if request.personalized else []
        weight_of = dict.fromkeys(stated, 1.0)
        for interest in recent:
            weight_of[interest] = weight_of.get(interest, 0.0) + 1 / len(recent)
        chosen = sorted(weight_of, key=lambda interest: (-weight_of[interest], interest))[:MAX_INTERESTS]
        total = np.asarray([weight_of[interest] for interest in chosen], np.float64)
        return cls(
            seed=request.seed,
            units=units,
            weights=weights,
            numbers=numbers,
            interests=tuple(chosen),
            interest_weights=total / max(float(total.sum()), 1e-12),
            stated=stated,
        )


def _units(intents: list[tuple[str, list[float]]], dimension: int) -> Float32:
    for path, vector in intents:
        if len(vector) != dimension:
            raise InputError(path, f"{len(vector)} numbers", f"the served space has {dimension}")
    exact = np.asarray([vector for _, vector in intents], np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    good = np.isfinite(length) & (length > 1e-12)
    if not good.all():
        bad = int(np.flatnonzero(~good)[0])
        raise InputError(intents[bad][0], float(length[bad]), "finite numbers, not all zero")
    return np.ascontiguousarray(exact / length[:, None], np.float32)
