"""Counter-based random numbers: a draw is a pure function of its key, so order never matters.

The generator is the splitmix64 finaliser (Steele, Lea, Flood 2014) folded over the parts of the key.
The same (seed, request, ad, event) gives the same number under every policy, on every machine and in
whatever order it is asked for: those are the common random numbers of replay and simulation.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]
Part = int | npt.NDArray[np.integer]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _mix(x: UInt64) -> UInt64:
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


def _words(part: Part) -> UInt64:
    if isinstance(part, int):
        return np.array([part & 0xFFFFFFFFFFFFFFFF], np.uint64)
    return np.atleast_1d(part).astype(np.uint64)


def bits(*parts: Part) -> UInt64:
    """64 mixed bits of a key. Parts are integers or integer arrays, broadcast; their order counts."""
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = _mix(state + _mix(_words(part)))
    return state


def uniform(*parts: Part) -> Float64:
    """Uniform in the open interval (0, 1), 53 bits."""
    return ((bits(*parts) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(*parts: Part) -> Float64:
    """Standard normal, by the inverse of its distribution function."""
    value: Float64 = ndtri(uniform(*parts))
    return value


def text_key(texts: Iterable[str]) -> UInt64:
    """64 bits of each text, equal to `AdRequest.seed` for request ids."""
    return np.fromiter(
        (int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest(), "big") for t in texts), np.uint64
    )
