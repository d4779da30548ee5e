"""The approximate index: inverted lists of 8-bit codes (faiss IVF-SQ8), results scored again exactly.

How many lists are probed is measured when the index is built: for a ladder of selectivities, the
fewest that reach the recall asked for. Where the probed lists would hold more rows than are
allowed, the exact scan is cheaper and is taken; so it is in small catalogs.
"""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from adsrank.catalog.snapshot import Snapshot
from adsrank.retrieval.bitmap import Bits, as_bytes, count, pack
from adsrank.retrieval.cosine import rescore, scan
from adsrank.retrieval.exact import ExactIndex
from adsrank.retrieval.index import Bool, Float32, Int64, as_bits, check_k, unit_queries

Int32 = npt.NDArray[np.int32]

EXACT_BELOW_ROWS = 20_000
SELECTIVITIES = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01)
"""Where probes are measured; below the last the exact scan is always taken."""

CACHED_BYTES = 16_000_000
MOST_DEARER = 4.0
POINTS_PER_LIST = 64
ITERATIONS = 8
TUNING_QUERIES = 48
TUNING_DEPTH = 500
TUNING_STEP = 1.3
OVERFETCH = 1.1
"""The 8-bit order is a little wrong near the end of the list: fetch more, cut after exact scoring."""


@dataclass(frozen=True, slots=True)
class Partition:
    """All that was learned: with the vectors it gives the same index again."""

    centroids: Float32
    """[lists, d], unit rows."""
    assignment: Int32
    """List of each row, [n]; -1 without a vector."""
    probes: Int32
    """Lists to probe at each of `SELECTIVITIES`."""


class AnnIndex:
    """`AdIndex` by inverted lists. One thread a search; deterministic for a seed.

    Without a `partition` (small catalogs) every search is the exact scan.
    """

    name = "ivf-sq8"

    def __init__(
        self, embedding: Float32, space: str | None, vectors_id: str = "", partition: Partition | None = None
    ) -> None:
        self._exact = ExactIndex(embedding, space, vectors_id)
        self.space = space
        self.vectors_id = vectors_id
        self.partition = partition
        self._searchable = count(self._exact.everything)
        self._faiss = _fill(self._exact.embedding, partition) if partition is not None else None

    @classmethod
    def of(cls, snapshot: Snapshot, seed: int = 0, recall: float = 0.98) -> "AnnIndex":
        """The index of the snapshot's vectors."""
        return cls.build(snapshot.embedding, snapshot.embedding_space, snapshot.vectors_id, seed, recall)

    @classmethod
    def build(
        cls,
        embedding: Float32,
        space: str | None,
        vectors_id: str = "",
        seed: int = 0,
        recall: float = 0.98,
        exact_below: int = EXACT_BELOW_ROWS,
    ) -> "AnnIndex":
        """Cluster `embedding` [n, d] into lists and measure how many must be probed.

        Args:
            recall: mean share of the true nearest 500 to find, at every selectivity.
            exact_below: with fewer vectors no lists are made.
        """
        embedding = np.ascontiguousarray(embedding, np.float32)
        rows = np.flatnonzero(embedding.any(axis=1))
        if len(rows) < max(exact_below, POINTS_PER_LIST):
            return cls(embedding, space, vectors_id)
        rng = np.random.default_rng(seed)
        lists = int(min(2 ** round(np.log2(2.5 * np.sqrt(len(rows)))), len(rows) // 16))
        centroids = _cluster(embedding, rows, lists, rng)
        assignment = _assign(embedding, rows, centroids)
        all_lists = np.full(len(SELECTIVITIES), lists, np.int32)
        index = cls(embedding, space, vectors_id, Partition(centroids, assignment, all_lists))
        probes = index._tune(rows, recall, rng)
        index.partition = Partition(centroids, assignment, probes)
        return index

    def renew(self, snapshot: Snapshot) -> "AnnIndex":
        """An index of the ads of `snapshot` with the lists and probes learned here.

        Much cheaper than building; build again when the ads have changed by more than about a third.
        """
        if self.partition is None or snapshot.dimension != self.dimension:
            return AnnIndex.of(snapshot)
        rows = np.flatnonzero(snapshot.embedded)
        assignment = _assign(snapshot.embedding, rows, self.partition.centroids)
        learned = Partition(self.partition.centroids, assignment, self.partition.probes)
        return AnnIndex(snapshot.embedding, snapshot.embedding_space, snapshot.vectors_id, learned)

    @property
    def embedding(self) -> Float32:
        return self._exact.embedding

    @property
    def dimension(self) -> int:
        return self._exact.dimension

    def __len__(self) -> int:
        return len(self._exact)

    def search(self, queries: Float32, k: int, allowed: Bits | Bool | None = None) -> tuple[Int64, Float32]:
        """See `AdIndex.search`."""
        units = unit_queries(queries, self.dimension)
        bits = as_bits(allowed, len(self), self._exact.everything)
        check_k(k)
        probes = self.probes_for(count(bits), k)
        if not probes:
            return scan(self.embedding, bits, units, k)
        rows, scores = self._probe(units, k, bits, probes)
        short = np.flatnonzero(rows[:, -1] < 0)
        if len(short):
            # The probed lists held too few allowed rows: find them all, whatever it takes.
            rows[short], scores[short] = scan(self.embedding, bits, units[short], k)
        return rows, scores

    def probes_for(self, allowed: int, k: int) -> int:
        """Lists to probe when `allowed` rows may be found; 0 where the exact scan is cheaper."""
        if self.partition is None or k == 0 or allowed <= 4 * k:
            return 0
        selectivity = allowed / self._searchable
        if selectivity < SELECTIVITIES[-1]:
            return 0
        ladder = np.log(SELECTIVITIES[::-1]), np.log(self.partition.probes[::-1])
        probes = int(np.ceil(np.exp(np.interp(np.log(selectivity), *ladder)) - 1e-9))
        return probes if probes < self._worth(selectivity) else 0

    def _worth(self, selectivity: float) -> float:
        """Probes up to which lists are cheaper than the scan.

        Both touch rows: the lists all of those probed, the scan the allowed ones. A row costs about
        the same while the vectors fit the cache; the scan's rows lie apart and cost more beyond it
        (about twice as much was measured at 50 MB).
        """
        dearer = np.clip(np.sqrt(self.embedding.nbytes / CACHED_BYTES), 1.0, MOST_DEARER)
        lists = len(self.partition.centroids) if self.partition else 0
        return float(lists * min(1.0, selectivity * dearer))

    def _probe(self, units: Float32, k: int, bits: Bits, probes: int) -> tuple[Int64, Float32]:
        assert self._faiss is not None
        faiss.omp_set_num_threads(1)  # of this thread; others keep theirs
        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = probes
        packed = as_bytes(bits)
        # faiss keeps bare pointers: selector and bitmap must live until the search is over.
        selector = faiss.IDSelectorBitmap(len(packed) * 8, faiss.swig_ptr(packed))
        if count(bits) < self._searchable:
            parameters.sel = selector
        _, found = self._faiss.search(units, int(np.ceil(k * OVERFETCH)), params=parameters)
        del parameters, selector
        return rescore(self.embedding, units, found, k)

    def _tune(self, rows: Int64, recall: float, rng: np.random.Generator) -> Int32:
        """Fewest probes (of a geometric ladder) that reach `recall` at each of `SELECTIVITIES`.

        Queries are ads, moved a little: what users want is near what is advertised.
        """
        lists = len(self.partition.centroids) if self.partition else 0
        picked = rng.choice(rows, min(TUNING_QUERIES, len(rows)), replace=False)
        noise = rng.standard_normal((len(picked), self.dimension)) * (0.5 / np.sqrt(self.dimension))
        queries = unit_queries(self.embedding[picked] + noise, self.dimension)
        probes = np.full(len(SELECTIVITIES), lists, np.int32)
        trial = 1
        for step, selectivity in enumerate(SELECTIVITIES):
            bits = pack(rng.random(len(self)) < selectivity) & self._exact.everything
            depth = min(TUNING_DEPTH, count(bits) // 4)
            truth, _ = scan(self.embedding, bits, queries, depth)
            # A narrower filter never needs fewer probes: go on from the wider one's.
            while trial < self._worth(selectivity) and self._recall(truth, queries, bits, trial) < recall:
                trial = max(trial + 1, int(trial * TUNING_STEP))
            if trial >= self._worth(selectivity):
                break
            probes[step] = trial
        return probes

    def _recall(self, truth: Int64, queries: Float32, bits: Bits, probes: int) -> float:
        found, _ = self._probe(queries, truth.shape[1], bits, probes)
        hits = [np.isin(t, f, assume_unique=True).mean() for t, f in zip(truth, found, strict=True)]
        return float(np.mean(hits)) if truth.size else 1.0


def _cluster(embedding: Float32, rows: Int64, lists: int, rng: np.random.Generator) -> Float32:
    faiss.omp_set_num_threads(1)
    sample = rng.choice(rows, min(len(rows), lists * POINTS_PER_LIST), replace=False)
    kmeans = faiss.Kmeans(
        embedding.shape[1],
        lists,
        niter=ITERATIONS,
        seed=int(rng.integers(2**31)),
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS_PER_LIST,
    )
    kmeans.train(np.ascontiguousarray(embedding[np.sort(sample)]))
    return np.ascontiguousarray(kmeans.centroids, np.float32)


def _assign(embedding: Float32, rows: Int64, centroids: Float32) -> Int32:
    faiss.omp_set_num_threads(1)
    coarse = faiss.IndexFlatIP(centroids.shape[1])
    coarse.add(centroids)
    assignment = np.full(len(embedding), -1, np.int32)
    for start in range(0, len(rows), 65_536):
        part = rows[start : start + 65_536]
        _, nearest = coarse.search(np.ascontiguousarray(embedding[part]), 1)
        assignment[part] = nearest[:, 0]
    return assignment


def _fill(embedding: Float32, partition: Partition) -> faiss.IndexIVFScalarQuantizer:
    """The faiss index of `partition`: nothing is learned here but the range of the 8-bit codes."""
    faiss.omp_set_num_threads(1)
    lists, dimension = partition.centroids.shape
    coarse = faiss.IndexFlatIP(dimension)
    coarse.add(partition.centroids)
    index = faiss.IndexIVFScalarQuantizer(
        coarse, dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, True
    )
    rows = np.flatnonzero(partition.assignment >= 0)
    vectors = np.ascontiguousarray(embedding[rows])
    index.train(vectors[:: max(1, len(vectors) // 65_536)])
    chosen = np.ascontiguousarray(partition.assignment[rows], np.int64)
    index.add_core(
        len(rows), faiss.swig_ptr(vectors), faiss.swig_ptr(np.ascontiguousarray(rows)), faiss.swig_ptr(chosen)
    )
    return index
