"""The order of equal scores: a seeded hash of (request, ad), never the order of a list."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.compiled import leaf

TIE_BITS = 24


@leaf
def tie_hash(seed: np.uint64, ad_id: np.int64) -> np.int64:
    """An integer in [1, 2**24] from the request's seed and the ad's id.

    Two rounds of the splitmix64 finaliser (Steele, Lea and Flood 2014), all in wrapping uint64.
    """
    z = seed + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) + np.uint64(ad_id) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(z >> np.uint64(64 - TIE_BITS)) + np.int64(1)
