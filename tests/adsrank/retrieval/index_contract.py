"""What every `AdIndex` must do: subclass, give `build`, and inherit the tests."""

import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.retrieval.bitmap import pack
from adsrank.retrieval.index import AdIndex

N, D, K = 4000, 16, 50


def clustered(n: int = N, d: int = D, seed: int = 0) -> np.ndarray:
    """Unit vectors around 60 centres, float32 [n, d]."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((60, d))
    vectors = centres[rng.integers(60, size=n)] + 0.4 * rng.standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def brute(embedding: np.ndarray, query: np.ndarray, allowed: np.ndarray, k: int) -> list[int]:
    """Allowed rows by cosine in double precision, best first."""
    unit = query / np.linalg.norm(query)
    scores = embedding.astype(np.float64) @ unit
    rows = [row for row in np.argsort(-scores, kind="stable") if allowed[row]]
    return [int(row) for row in rows[:k]]


class IndexContract:
    recall = 1.0
    """Mean share of the true nearest to be found."""

    def build(self, embedding: np.ndarray) -> AdIndex:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def embedding(self) -> np.ndarray:
        return clustered()

    @pytest.fixture(scope="class")
    def index(self, embedding: np.ndarray) -> AdIndex:
        return self.build(embedding)

    @pytest.fixture(scope="class")
    def queries(self, embedding: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(1)
        return (embedding[rng.integers(N, size=12)] + 0.1 * rng.standard_normal((12, D))).astype(np.float32)

    @pytest.mark.parametrize("selectivity", [1.0, 0.5, 0.2, 0.06, 0.01, 0.002])
    def test_it_finds_the_nearest_allowed_rows(
        self, index: AdIndex, embedding: np.ndarray, queries: np.ndarray, selectivity: float
    ) -> None:
        allowed = np.random.default_rng(2).random(N) < selectivity
        rows, scores = index.search(queries, K, pack(allowed))
        shares = []
        for query, found, score in zip(queries, rows, scores, strict=True):
            truth = brute(embedding, query, allowed, K)
            kept = found[found >= 0]
            assert allowed[kept].all()
            assert len(set(kept.tolist())) == len(kept)
            assert len(kept) == min(K, allowed.sum())
            assert np.all(np.diff(score[: len(kept)]) <= 0)
            shares.append(np.isin(truth, kept).mean())
        assert np.mean(shares) >= self.recall

    def test_scores_are_exact_cosines(
        self, index: AdIndex, embedding: np.ndarray, queries: np.ndarray
    ) -> None:
        rows, scores = index.search(queries * 7, K)
        units = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        assert np.allclose(scores, np.einsum("mkd,md->mk", embedding[rows], units), atol=2e-6)

    def test_a_mask_and_a_bitmap_say_the_same(self, index: AdIndex, queries: np.ndarray) -> None:
        allowed = np.random.default_rng(3).random(N) < 0.3
        before = allowed.copy()
        for one, other in zip(
            index.search(queries, K, allowed), index.search(queries, K, pack(allowed)), strict=True
        ):
            assert np.array_equal(one, other)
        assert np.array_equal(allowed, before)

    def test_what_is_missing_is_padded_at_the_end(self, index: AdIndex, queries: np.ndarray) -> None:
        allowed = np.zeros(N, np.bool_)
        allowed[[3, 5, 3999]] = True
        rows, scores = index.search(queries, 5, allowed)
        assert {frozenset(found[:3].tolist()) for found in rows} == {frozenset({3, 5, 3999})}
        assert (rows[:, 3:] == -1).all()
        assert np.isneginf(scores[:, 3:]).all()

    def test_nothing_allowed_finds_nothing(self, index: AdIndex, queries: np.ndarray) -> None:
        rows, _ = index.search(queries, 5, np.zeros(N, np.bool_))
        assert (rows == -1).all()

    def test_more_than_all_may_be_asked_for(self, index: AdIndex, queries: np.ndarray) -> None:
        rows, _ = index.search(queries[:1], N + 10)
        assert sorted(rows[0].tolist()) == [-1] * 10 + list(range(N))
        assert index.search(queries, 0)[0].shape == (len(queries), 0)
        assert index.search(queries[:0], 5)[0].shape == (0, 5)

    def test_queries_do_not_disturb_each_other(self, index: AdIndex, queries: np.ndarray) -> None:
        together, _ = index.search(queries, K)
        alone = np.concatenate([index.search(query[None], K)[0] for query in queries])
        assert np.array_equal(together, alone)

    def test_two_builds_answer_alike(
        self, index: AdIndex, embedding: np.ndarray, queries: np.ndarray
    ) -> None:
        allowed = np.random.default_rng(4).random(N) < 0.6
        for one, other in zip(
            index.search(queries, K, allowed), self.build(embedding).search(queries, K, allowed), strict=True
        ):
            assert np.array_equal(one, other)

    def test_rows_without_a_vector_are_never_found(self, queries: np.ndarray) -> None:
        embedding = clustered()
        embedding[::3] = 0
        index = self.build(embedding)
        rows, _ = index.search(queries, 2 * N // 3)
        assert not np.isin(rows[rows >= 0] % 3, 0).any()
        assert len(index) == N

    @pytest.mark.parametrize(
        ("bad", "field"),
        [
            (np.ones((2, D + 1)), "queries"),
            (np.ones(D), "queries"),
            (np.full((1, D), np.nan), r"queries\[0\]"),
            (np.vstack([np.ones(D), np.full(D, np.inf)]), r"queries\[1\]"),
            (np.zeros((1, D)), r"queries\[0\]"),
        ],
        ids=["dimension", "flat", "nan", "infinity", "zero"],
    )
    def test_bad_queries_are_refused(self, index: AdIndex, bad: np.ndarray, field: str) -> None:
        with pytest.raises(InputError, match=field):
            index.search(bad, 5)

    def test_a_mask_of_another_length_is_refused(self, index: AdIndex, queries: np.ndarray) -> None:
        with pytest.raises(InputError, match="allowed"):
            index.search(queries, 5, np.ones(N - 1, np.bool_))
        with pytest.raises(InputError, match="allowed"):
            index.search(queries, 5, np.zeros(3, np.uint64))
        with pytest.raises(InputError, match="k"):
            index.search(queries, -1)
