"""The exact index: every allowed vector is compared."""

import numpy as np

from adsrank.catalog.snapshot import Snapshot
from adsrank.retrieval.bitmap import Bits, pack
from adsrank.retrieval.cosine import scan
from adsrank.retrieval.index import Bool, Float32, Int64, as_bits, check_k, unit_queries


class ExactIndex:
    """`AdIndex` without approximation: the baseline of the others, and best where few are allowed.

    Args:
        embedding: [n, d], unit rows, zeros for rows without a vector; kept, not copied.
        space: embedding space.
        vectors_id: `Snapshot.vectors_id`.
    """

    name = "exact"

    def __init__(self, embedding: Float32, space: str | None, vectors_id: str = "") -> None:
        self.embedding = np.ascontiguousarray(embedding, np.float32)
        self.space = space
        self.vectors_id = vectors_id
        self.everything: Bits = pack(np.any(self.embedding != 0, axis=1))

    @classmethod
    def of(cls, snapshot: Snapshot) -> "ExactIndex":
        """The index of the snapshot's vectors."""
        return cls(snapshot.embedding, snapshot.embedding_space, snapshot.vectors_id)

    @property
    def dimension(self) -> int:
        return int(self.embedding.shape[1])

    def __len__(self) -> int:
        return len(self.embedding)

    def search(self, queries: Float32, k: int, allowed: Bits | Bool | None = None) -> tuple[Int64, Float32]:
        """See `AdIndex.search`."""
        units = unit_queries(queries, self.dimension)
        return scan(self.embedding, as_bits(allowed, len(self), self.everything), units, check_k(k))
