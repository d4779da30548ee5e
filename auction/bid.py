"""From a bid to the integer worth of an ad, and back from a worth to the smallest bid.

Worth is counted in thousandths of a micro per examined impression (``VALUE_ONE`` to the micro), so
that every comparison of the auction is one of integers.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import math

import numpy as np

from auction.compiled import leaf

VALUE_ONE = 1_000
"""Units of worth in one micro."""

VALUE_LIMIT = 2**36
"""Largest worth of one ad or organic item: 68.7 units of currency per examined impression.

256 positions of 100,000 units of exposure times this stay below 2**60.7, so that any sum of four
totals fits an int64.
"""

BID_LIMIT = 2**53
"""Largest bid in micros: whole micros are exact in a float up to here."""


@leaf
def effective_bid(paced: float) -> np.int64:
    """Whole micros bid per billable event, from a bid times its pacing multiplier."""
    return np.int64(math.floor(paced))


@leaf
def power(base: float, exponent: float) -> float:
    """``base ** exponent`` for base >= 0 and exponent in (0, 1], the same bits on every machine.

    The library's `pow` may differ in the last bit from one machine to the next. Square roots and products
    may not (IEEE 754), so the exponent is taken bit by bit; the result never falls when the base rises.
    """
    result, root, left = 1.0, base, exponent
    if left >= 1.0:
        return base
    while left > 0.0:
        root = math.sqrt(root)
        left *= 2.0
        if left >= 1.0:
            result *= root
            left -= 1.0
    return result


@leaf
def worth(bid_micros: np.int64, rate: float, quality: np.int64) -> np.int64:
    """``floor(bid * rate) + quality``; `rate` is the event's probability times ``VALUE_ONE``.

    One rounded product and a floor: it never falls when the bid rises.
    """
    return np.int64(math.floor(np.float64(bid_micros) * rate)) + quality


@leaf
def lowest_bid(target: np.int64, rate: float, quality: np.int64, top: np.int64) -> np.int64:
    """Smallest bid of whole micros, at most `top`, whose worth reaches `target`.

    `top` must reach it. A float guess is corrected in integers, so the answer is exact.
    """
    need = target - quality
    if need <= 0:
        return np.int64(0)
    guess = top
    real = np.float64(need) / rate if rate > 0.0 else np.inf
    if real < np.float64(top):
        guess = min(np.int64(math.ceil(real)), top)
    while guess > 0 and worth(guess - 1, rate, np.int64(0)) >= need:
        guess -= 1
    while guess < top and worth(guess, rate, np.int64(0)) < need:
        guess += 1
    return guess
