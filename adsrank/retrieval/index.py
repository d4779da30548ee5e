"""What every index of ad vectors can do."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from adsrank.errors import InputError, SpaceMismatch
from adsrank.retrieval.bitmap import Bits, pack

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

MAX_QUERIES = 1024
MAX_K = 100_000


class AdIndex(Protocol):
    """Nearest ads by cosine. Rows are those of the snapshot that the index was built on."""

    name: str
    space: str | None
    """Embedding space of the vectors."""
    vectors_id: str
    """`Snapshot.vectors_id` of the vectors it was built on."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def __len__(self) -> int:
        """Rows of the snapshot, with or without a vector."""
        ...

    def search(self, queries: Float32, k: int, allowed: Bits | Bool | None = None) -> tuple[Int64, Float32]:
        """The `k` nearest allowed rows to each query.

        Args:
            queries: [m, d] of any length but zero.
            allowed: bitmap or mask of rows; null allows all. Rows without a vector are never found.

        Returns:
            Rows [m, k], best first, equal scores by row, and their cosines [m, k]. Where fewer than
            `k` rows are allowed the rest are -1 with score -inf; where as many are, `k` are found.

        Raises:
            InputError: wrong dimension, a component that is not finite, a query without direction.
        """
        ...


def unit_queries(queries: npt.ArrayLike, dimension: int) -> Float32:
    """`queries` [m, d] divided by their lengths: float32, C-contiguous.

    Raises:
        InputError: names the query and what was wrong with it.
    """
    exact = np.asarray(queries, np.float64)
    if exact.ndim != 2 or exact.shape[1] != dimension:
        raise InputError("queries", exact.shape, f"vectors of {dimension} numbers")
    if len(exact) > MAX_QUERIES:
        raise InputError("queries", len(exact), f"at most {MAX_QUERIES} at once")
    length = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    good = np.isfinite(length) & (length > 1e-12)
    if not good.all():
        bad = int(np.flatnonzero(~good)[0])
        raise InputError(f"queries[{bad}]", float(length[bad]), "finite numbers, not all zero")
    return np.ascontiguousarray(exact / length[:, None], np.float32)


def as_bits(allowed: Bits | Bool | None, size: int, everything: Bits) -> Bits:
    """`allowed` as a bitmap, at most `everything`.

    Raises:
        InputError: a mask or bitmap that is not over `size` rows.
    """
    if allowed is None:
        return everything
    if allowed.dtype == np.bool_:
        if allowed.shape != (size,):
            raise InputError("allowed", allowed.shape, f"a mask over {size} rows")
        return pack(allowed.astype(np.bool_)) & everything
    if allowed.dtype != np.uint64 or allowed.shape != everything.shape:
        raise InputError("allowed", allowed.shape, f"a bitmap of {len(everything)} words")
    return allowed & everything


def check_k(k: int) -> int:
    """`k`, if it can be answered."""
    if not 0 <= k <= MAX_K:
        raise InputError("k", k, f"0 to {MAX_K}")
    return k


def check_space(asked: str | None, served: str | None) -> None:
    """Refuse to compare vectors of two spaces; null is the space that is served.

    Raises:
        SpaceMismatch: they differ.
    """
    if asked is not None and asked != served:
        raise SpaceMismatch(f"intents are of space {asked!r}, ads of {served!r}: they must not be compared")
