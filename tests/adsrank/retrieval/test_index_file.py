import json
from pathlib import Path

import numpy as np
import pytest

from adsrank.catalog.freezer import freeze_catalog
from adsrank.catalog.snapshot import Snapshot
from adsrank.errors import BundleError, SpaceMismatch
from adsrank.retrieval.ann import AnnIndex
from adsrank.retrieval.exact import ExactIndex
from adsrank.retrieval.index_file import MANIFEST, load_index, save_index
from tests.adsrank.catalog.rows import account, ad, ad_group, campaign, catalog_of
from tests.adsrank.retrieval.index_contract import clustered

N, D = 1200, 16


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    ads = [ad(id, embedding=vector.tolist()) for id, vector in enumerate(clustered(N, D), 1)]
    plain = ad(N + 1, embedding=None, embedding_space=None)
    return freeze_catalog(catalog_of(account(), campaign(), ad_group(), *ads, plain))


@pytest.fixture(scope="module")
def index(snapshot: Snapshot) -> AnnIndex:
    built = AnnIndex.build(snapshot.embedding, snapshot.embedding_space, snapshot.vectors_id, exact_below=100)
    assert built.partition is not None
    return built


def test_a_saved_index_answers_as_before(tmp_path: Path, snapshot: Snapshot, index: AnnIndex) -> None:
    save_index(index, tmp_path)
    again = load_index(tmp_path, snapshot)
    queries = snapshot.embedding[:20]
    for one, other in zip(index.search(queries, 30), again.search(queries, 30), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", [ExactIndex, AnnIndex])
def test_an_index_without_lists_is_saved_too(
    tmp_path: Path, snapshot: Snapshot, kind: type[ExactIndex | AnnIndex]
) -> None:
    save_index(kind.of(snapshot), tmp_path)
    again = load_index(tmp_path, snapshot)
    assert isinstance(again, kind)
    assert again.search(snapshot.embedding[:1], 1)[0].tolist() == [[0]]


@pytest.mark.parametrize("name", ["centroids.npy", "assignment.npy", "probes.npy", MANIFEST])
@pytest.mark.parametrize("harm", ["missing", "cut", "altered"])
def test_a_harmed_file_is_refused(
    tmp_path: Path, snapshot: Snapshot, index: AnnIndex, name: str, harm: str
) -> None:
    save_index(index, tmp_path)
    path = tmp_path / name
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        changed = bytes([data[0] ^ 0xFF]) + data[1:]
        path.write_bytes(data[: len(data) // 2] if harm == "cut" else changed)
    with pytest.raises(BundleError):
        load_index(tmp_path, snapshot)


def test_lists_that_point_outside_are_refused_even_with_the_right_hash(
    tmp_path: Path, snapshot: Snapshot, index: AnnIndex
) -> None:
    assert index.partition is not None
    broken = index.partition.assignment.copy()
    broken[5] = 10_000
    hostile = AnnIndex(snapshot.embedding, snapshot.embedding_space, snapshot.vectors_id)
    hostile.partition = type(index.partition)(index.partition.centroids, broken, index.partition.probes)
    save_index(hostile, tmp_path)
    with pytest.raises(BundleError, match="do not fit"):
        load_index(tmp_path, snapshot)


def test_an_index_of_other_vectors_or_another_space_is_refused(
    tmp_path: Path, snapshot: Snapshot, index: AnnIndex
) -> None:
    save_index(index, tmp_path)
    turned = snapshot.with_embedding("test-v1", -snapshot.embedding, snapshot.embedded)
    with pytest.raises(BundleError, match="not built on"):
        load_index(tmp_path, turned)
    elsewhere = snapshot.with_embedding("other-v2", snapshot.embedding, snapshot.embedded)
    with pytest.raises(SpaceMismatch, match="other-v2"):
        load_index(tmp_path, elsewhere)


def test_a_manifest_that_is_not_one_is_refused(tmp_path: Path, snapshot: Snapshot, index: AnnIndex) -> None:
    save_index(index, tmp_path)
    good = json.loads((tmp_path / MANIFEST).read_text())
    for text in ("[]", "{", "[" * 60_000, json.dumps(good | {"schema": 9}), json.dumps(good | {"files": []})):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(BundleError):
            load_index(tmp_path, snapshot)


def test_new_ads_join_the_lists_that_were_learned(snapshot: Snapshot, index: AnnIndex) -> None:
    vectors = clustered(N + 300, D, seed=4)
    ads = [ad(id, embedding=vector.tolist()) for id, vector in enumerate(vectors, 1)]
    grown = freeze_catalog(catalog_of(account(), campaign(), ad_group(), *ads))
    renewed = index.renew(grown)
    assert renewed.vectors_id == grown.vectors_id
    assert renewed.partition is not None
    assert index.partition is not None
    assert renewed.partition.centroids is index.partition.centroids
    truth = ExactIndex.of(grown).search(vectors[:50], 20)[0]
    found = renewed.search(vectors[:50], 20)[0]
    assert np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)]) > 0.9
