import numpy as np

from adsrank.retrieval.exact import ExactIndex
from tests.adsrank.retrieval.index_contract import IndexContract


class TestExactIndex(IndexContract):
    def build(self, embedding: np.ndarray) -> ExactIndex:
        return ExactIndex(embedding, "test-v1")


def test_equal_scores_come_by_row_whatever_is_cut() -> None:
    embedding = np.tile(np.asarray([[1.0, 0.0], [0.0, 1.0]], np.float32), (100, 1))
    rows, _ = ExactIndex(embedding, "s").search(np.asarray([[1.0, 0.0]]), 7)
    assert rows[0].tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_the_worked_example() -> None:
    embedding = np.asarray([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    rows, scores = ExactIndex(embedding, "s").search(np.asarray([[2.0, 0.0]]), 3)
    assert rows.tolist() == [[0, 1, 2]]
    assert np.allclose(scores, [[1.0, 0.6, 0.0]])


def test_an_index_without_vectors_finds_nothing() -> None:
    index = ExactIndex(np.zeros((5, 2), np.float32), None)
    assert (index.search(np.ones((1, 2)), 3)[0] == -1).all()
