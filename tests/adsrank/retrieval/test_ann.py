import threading

import numpy as np
import pytest

from adsrank.retrieval.ann import SELECTIVITIES, AnnIndex
from adsrank.retrieval.bitmap import pack
from adsrank.retrieval.exact import ExactIndex
from tests.adsrank.retrieval.index_contract import D, IndexContract, K, N, clustered


class TestAnnIndex(IndexContract):
    recall = 0.95

    def build(self, embedding: np.ndarray) -> AnnIndex:
        return AnnIndex.build(embedding, "test-v1", exact_below=100)


class TestAnnIndexOfFewAds(IndexContract):
    def build(self, embedding: np.ndarray) -> AnnIndex:
        index = AnnIndex.build(embedding, "test-v1")
        assert index.partition is None
        return index


@pytest.fixture(scope="module")
def index() -> AnnIndex:
    return AnnIndex.build(clustered(), "test-v1", exact_below=100)


def test_narrower_filters_probe_more_and_the_narrowest_scan(index: AnnIndex) -> None:
    assert index.partition is not None
    probes = index.partition.probes
    assert np.all(np.diff(probes) >= 0)
    assert 1 <= index.probes_for(N, K) < len(index.partition.centroids)
    assert index.probes_for(int(N * 0.04), 10) == 0
    assert index.probes_for(100, 50) == 0


def test_the_lists_are_really_used(index: AnnIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    inner = index._probe

    def counting(*args: object) -> object:
        asked.append(args[3])  # type: ignore[arg-type]
        return inner(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "_probe", counting)
    index.search(clustered()[:3], K)
    assert asked
    assert asked[0] > 0


def test_recall_asked_for_is_recall_measured(index: AnnIndex) -> None:
    embedding = clustered()
    exact = ExactIndex(embedding, "test-v1")
    rng = np.random.default_rng(8)
    queries = embedding[rng.integers(N, size=60)] + 0.05 * rng.standard_normal((60, D)).astype(np.float32)
    for selectivity in SELECTIVITIES:
        bits = pack(rng.random(N) < selectivity)
        truth, found = exact.search(queries, 200, bits)[0], index.search(queries, 200, bits)[0]
        recall = np.mean([np.isin(t[t >= 0], f).mean() for t, f in zip(truth, found, strict=True)])
        assert recall >= 0.97, selectivity


def test_a_filter_far_from_the_query_still_finds_enough(index: AnnIndex) -> None:
    embedding = clustered()
    query = embedding[:1]
    farthest = np.argsort(embedding @ query[0])[: N // 4]
    allowed = np.zeros(N, np.bool_)
    allowed[farthest] = True
    rows, _ = index.search(query, K, allowed)
    assert (rows >= 0).all()
    assert allowed[rows[0]].all()


def test_another_seed_gives_other_lists_and_the_same_seed_the_same() -> None:
    embedding = clustered(1500)
    one, same, other = (AnnIndex.build(embedding, "s", seed=seed, exact_below=100) for seed in (1, 1, 2))
    assert one.partition is not None
    assert same.partition is not None
    assert other.partition is not None
    assert np.array_equal(one.partition.centroids, same.partition.centroids)
    assert np.array_equal(one.partition.probes, same.partition.probes)
    assert not np.array_equal(one.partition.centroids, other.partition.centroids)


def test_threads_search_at_once_without_disturbing_each_other(index: AnnIndex) -> None:
    embedding = clustered()
    masks = [np.random.default_rng(i).random(N) < 0.5 for i in range(4)]
    expected = [index.search(embedding[:8], K, mask)[0] for mask in masks]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(30):
            if not np.array_equal(index.search(embedding[:8], K, masks[i])[0], expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
