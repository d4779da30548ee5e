"""Exact cosines: the best of all allowed rows, and those of chosen rows.

`scan` makes one pass over the bitmap for all queries. It touches allowed rows only, so it
beats any index where few are allowed. A row's cosine is the same whichever way it is asked for.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.compiled import kernel

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]

_DE_BRUIJN = 0x03F79D71B4CB0A89
_INDEX_OF_BIT = np.zeros(64, np.int64)
for _bit in range(64):
    _INDEX_OF_BIT[((_DE_BRUIJN << _bit) & (2**64 - 1)) >> 58] = _bit
_DE_BRUIJN_WORD = np.uint64(_DE_BRUIJN)


def scan(embedding: Float32, bits: Bits, units: Float32, k: int) -> tuple[Int64, Float32]:
    """The `k` rows of greatest inner product with each query, among the rows in `bits`.

    Args:
        embedding: [n, d], C-contiguous.
        units: queries [m, d], C-contiguous.

    Returns:
        Rows [m, k], best first, equal scores by row; -1 where fewer are allowed. Scores [m, k], -inf there.
    """
    shape = (len(units), k)
    rows, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    if k:
        _scan(embedding, bits, units, rows, scores, _INDEX_OF_BIT)
    return rows, scores


def rescore(embedding: Float32, units: Float32, found: Int64, k: int) -> tuple[Int64, Float32]:
    """The best `k` of the `found` rows [m, l] (-1: none) by exact cosine; equal ones by row."""
    shape = (len(units), min(k, found.shape[1]))
    rows, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    if shape[1]:
        _rescore(embedding, units, found, rows, scores)
    return rows, scores


def similarities(
    embedding: Float32, rows: Int64, units: Float32, weights: Float64
) -> tuple[Float32, Float32, Int8]:
    """Largest cosine, weighted mean cosine and number of the nearest intent, for each of `rows` [u].

    Args:
        units: unit intents [m, d]; with m = 0 all cosines are 0 and the intent is -1.
        weights: [m], positive; they are divided by their sum.
    """
    largest, mean = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    nearest = np.full(len(rows), -1, np.int8)
    if len(units):
        _similarities(embedding, rows, units, weights / weights.sum(), largest, mean, nearest)
    return largest, mean, nearest


@kernel
def _dot(embedding: Float32, row: int, units: Float32, query: int) -> np.float32:
    total = np.float32(0.0)
    for j in range(units.shape[1]):
        total += embedding[row, j] * units[query, j]
    return total


@kernel
def _better(score: np.float32, row: int, other_score: np.float32, other_row: int) -> Any:
    return score > other_score or (score == other_score and row < other_row)


@kernel
def _select(scores: Float32, rows: Int64, size: int, k: int) -> None:
    """Bring the best `k` of the first `size` entries to the front, the k-th best last of them."""
    low, high = 0, size - 1
    while low < high:
        middle = (low + high) >> 1
        score, row = scores[middle], rows[middle]
        i, j = low, high
        while i <= j:
            while _better(scores[i], rows[i], score, row):
                i += 1
            while _better(score, row, scores[j], rows[j]):
                j -= 1
            if i <= j:
                scores[i], scores[j] = scores[j], scores[i]
                rows[i], rows[j] = rows[j], rows[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break


@kernel
def _sift(scores: Float32, rows: Int64, hole: int, size: int) -> None:
    """Restore below `hole` a heap whose top is the worst."""
    score, row = scores[hole], rows[hole]
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _better(scores[child], rows[child], scores[right], rows[right]):
            child = right
        if not _better(score, row, scores[child], rows[child]):
            break
        scores[hole], rows[hole] = scores[child], rows[child]
        hole = child
    scores[hole], rows[hole] = score, row


@kernel
def _order(scores: Float32, rows: Int64, size: int) -> None:
    """Sort the first `size` entries, best first."""
    for hole in range(size // 2 - 1, -1, -1):
        _sift(scores, rows, hole, size)
    for last in range(size - 1, 0, -1):
        scores[0], scores[last] = scores[last], scores[0]
        rows[0], rows[last] = rows[last], rows[0]
        _sift(scores, rows, 0, last)


@kernel
def _finish(pool: Float32, pool_rows: Int64, size: int, scores: Float32, rows: Int64) -> None:
    """Write the best of a pool, in order, to a result of length k."""
    k = len(rows)
    if size > k:
        _select(pool, pool_rows, size, k)
        size = k
    _order(pool, pool_rows, size)
    scores[:size], rows[:size] = pool[:size], pool_rows[:size]


@kernel
def _scan(
    embedding: Float32, bits: Bits, units: Float32, rows: Int64, scores: Float32, index_of_bit: Int64
) -> None:
    m, k = rows.shape
    # Entries above the k-th best so far gather in a pool that is cut back to k when it is full: a heap
    # would move log k of them for each that comes.
    room = 4 * k + 64
    pool, pool_rows = np.empty((m, room), np.float32), np.empty((m, room), np.int64)
    size, bar = np.zeros(m, np.int64), np.full(m, -np.inf, np.float32)
    one, zero = np.uint64(1), np.uint64(0)
    for word in range(len(bits)):
        left = bits[word]
        while left != zero:
            lowest = left & (~left + one)
            row = word * 64 + index_of_bit[(lowest * _DE_BRUIJN_WORD) >> np.uint64(58)]
            left ^= lowest
            for query in range(m):
                score = _dot(embedding, row, units, query)
                # Rows come in order: at an equal score the earlier one stays.
                if score > bar[query]:
                    at = size[query]
                    pool[query, at], pool_rows[query, at] = score, row
                    size[query] = at + 1
                    if at + 1 == room:
                        _select(pool[query], pool_rows[query], room, k)
                        size[query], bar[query] = k, pool[query, k - 1]
    for query in range(m):
        _finish(pool[query], pool_rows[query], size[query], scores[query], rows[query])


@kernel
def _rescore(embedding: Float32, units: Float32, found: Int64, rows: Int64, scores: Float32) -> None:
    pool, pool_rows = np.empty(found.shape[1], np.float32), np.empty(found.shape[1], np.int64)
    for query in range(found.shape[0]):
        size = 0
        for i in range(found.shape[1]):
            if found[query, i] >= 0:
                pool[size] = _dot(embedding, found[query, i], units, query)
                pool_rows[size] = found[query, i]
                size += 1
        _finish(pool, pool_rows, size, scores[query], rows[query])


@kernel
def _similarities(
    embedding: Float32,
    rows: Int64,
    units: Float32,
    share: Float64,
    largest: Float32,
    mean: Float32,
    nearest: Int8,
) -> None:
    for i in range(len(rows)):
        best, total, at = np.float32(-2.0), 0.0, 0
        for query in range(len(units)):
            cosine = _dot(embedding, rows[i], units, query)
            total += share[query] * cosine
            if cosine > best:
                best, at = cosine, query
        largest[i], mean[i], nearest[i] = best, total, at
