import numpy as np
import pytest

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.freezer import freeze_catalog
from adsrank.catalog.snapshot import Snapshot
from adsrank.errors import BundleError, InputError, SpaceMismatch
from adsrank.retrieval.exact import ExactIndex
from adsrank.retrieval.retriever import Retriever
from adsrank.retrieval.source import SourceCode
from auction.reason import Reason
from tests.adsrank.catalog.rows import account, ad, ad_group, campaign, catalog_of
from tests.adsrank.retrieval.market import NOW, D, ask, draw_catalog, verdicts

T = NOW.timestamp()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return draw_catalog(5, ads=800, strict=0.2)


@pytest.fixture(scope="module")
def snapshot(catalog: Catalog) -> Snapshot:
    return freeze_catalog(catalog)


@pytest.fixture(scope="module")
def retriever(snapshot: Snapshot) -> Retriever:
    return Retriever.of(snapshot, budget=100)


def vectors(seed: int, m: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, D))


def intents(seed: int = 0, m: int = 3) -> list[dict[str, object]]:
    return [{"embedding": v.tolist(), "weight": 1.0 + i} for i, v in enumerate(vectors(seed, m))]


def test_only_ads_that_may_be_shown_come_back_each_once(
    catalog: Catalog, snapshot: Snapshot, retriever: Retriever
) -> None:
    for seed in range(20):
        request = ask(
            request_id=f"r{seed}",
            country=["US", "DE", "JP"][seed % 3],
            intents=intents(seed, 1 + seed % 4) if seed % 5 else [],
            user_interests=[seed % 6],
            hidden_ads=[1003],
            blocked_advertisers=[2] if seed % 2 else [],
        )
        candidates = retriever.retrieve(request, snapshot, T)
        allowed = {id for id, reason in verdicts(catalog, request).items() if reason is None}
        found = snapshot.ad_id[candidates.row].tolist()
        assert len(found) == len(set(found)) <= 100
        assert set(found) <= allowed
        assert sum(candidates.filtered.values()) == len(snapshot) - len(allowed)
        assert candidates.departures == []


def test_a_catalog_within_the_budget_is_retrieved_whole(catalog: Catalog, snapshot: Snapshot) -> None:
    request = ask(intents=intents())
    candidates = Retriever.of(snapshot, budget=5000).retrieve(request, snapshot, T)
    allowed = {id for id, reason in verdicts(catalog, request).items() if reason is None}
    embedded = {int(id) for id in snapshot.ad_id[snapshot.embedded]}
    assert set(snapshot.ad_id[candidates.row].tolist()) == allowed & embedded


def test_the_match_is_measured_by_definition(snapshot: Snapshot, retriever: Retriever) -> None:
    request = ask(intents=intents(4), user_interests=[2, 10**30], recent_interests=[3])
    candidates = retriever.retrieve(request, snapshot, T)
    units = vectors(4, 3) / np.linalg.norm(vectors(4, 3), axis=1, keepdims=True)
    cosines = snapshot.embedding[candidates.row].astype(np.float64) @ units.T
    assert np.allclose(candidates["similarity"], cosines.max(axis=1), atol=1e-6)
    assert np.allclose(candidates["similarity_mean"], cosines @ [1 / 6, 2 / 6, 3 / 6], atol=1e-6)
    has = snapshot.embedded[candidates.row]
    assert np.array_equal(candidates["intent"][has], cosines.argmax(axis=1)[has])
    assert np.array_equal(candidates["interest_match"], snapshot.interest[candidates.row] == 2)
    assert {name: values.dtype.name for name, values in candidates.columns.items()} == {
        "similarity": "float32",
        "similarity_mean": "float32",
        "interest_match": "float32",
        "intent": "int8",
        "source": "int8",
    }


def test_each_source_is_named(snapshot: Snapshot, retriever: Retriever) -> None:
    both = retriever.retrieve(ask(intents=intents(), user_interests=[2]), snapshot, T)
    assert set(both["source"].tolist()) == {SourceCode.EMBEDDING, SourceCode.INTEREST}
    interests = retriever.retrieve(ask(user_interests=[2]), snapshot, T)
    assert set(interests["source"].tolist()) == {SourceCode.INTEREST}
    nothing = retriever.retrieve(ask(), snapshot, T)
    assert set(nothing["source"].tolist()) == {SourceCode.SAMPLE}
    assert not nothing["similarity"].any()
    assert (nothing["intent"] == -1).all()


def test_without_personalization_two_users_see_the_same_candidates(
    snapshot: Snapshot, retriever: Retriever
) -> None:
    page = {"embedding": vectors(1, 1)[0].tolist(), "source": "pin"}
    users = [
        ask(user_id="ann", personalized=False, intents=[page, *intents(7)], user_interests=[1, 2]),
        ask(user_id="bob", personalized=False, intents=[page, *intents(8)], recent_interests=[5]),
    ]
    one, other = (retriever.retrieve(request, snapshot, T) for request in users)
    assert np.array_equal(one.row, other.row)
    for name in one.columns:
        assert np.array_equal(one[name], other[name])
    assert not one["interest_match"].any()


def test_a_light_intent_is_heard(snapshot: Snapshot, retriever: Retriever) -> None:
    heavy, light = vectors(9, 2)
    request = ask(intents=[{"embedding": heavy.tolist(), "weight": 1000}, {"embedding": light.tolist()}])
    candidates = retriever.retrieve(request, snapshot, T)
    assert (candidates["intent"] == 1).sum() >= 5


def test_the_same_request_is_answered_alike_by_another_retriever(
    snapshot: Snapshot, retriever: Retriever
) -> None:
    request = ask(intents=intents(2), user_interests=[1, 4])
    one = retriever.retrieve(request, snapshot, T)
    other = Retriever.of(snapshot, budget=100).retrieve(request, snapshot, T)
    assert np.array_equal(one.row, other.row)
    assert all(np.array_equal(one[name], other[name]) for name in one.columns)


def test_explain_lists_every_ad_that_was_kept_out(
    catalog: Catalog, snapshot: Snapshot, retriever: Retriever
) -> None:
    request = ask(intents=intents(), blocked_advertisers=[1])
    candidates = retriever.retrieve(request, snapshot, T, explain=True)
    expected = verdicts(catalog, request)
    for left in candidates.departures:
        assert left.stage == "retrieve"
        assert set(snapshot.ad_id[left.row].tolist()) == {i for i, r in expected.items() if r is left.reason}
    listed = {left.reason: len(left.row) for left in candidates.departures}
    assert listed == {reason: size for reason, size in candidates.filtered.items() if size}
    assert Reason.USER_CONTROL in listed


def test_vectors_of_another_space_or_length_are_refused(snapshot: Snapshot, retriever: Retriever) -> None:
    with pytest.raises(SpaceMismatch):
        retriever.retrieve(ask(intents=intents(), embedding_space="tower-v9"), snapshot, T)
    with pytest.raises(InputError, match="intents"):
        retriever.retrieve(ask(intents=[{"embedding": [1.0, 2.0]}]), snapshot, T)


def test_parts_of_two_snapshots_do_not_serve_together(snapshot: Snapshot, retriever: Retriever) -> None:
    other = freeze_catalog(draw_catalog(6, ads=800))
    with pytest.raises(BundleError, match="asked with"):
        retriever.retrieve(ask(), other, T)
    with pytest.raises(BundleError, match="other vectors"):
        Retriever.of(other, ExactIndex.of(snapshot))


def test_a_renewed_retriever_keeps_the_index_while_vectors_stay() -> None:
    def frozen(bid: int, *more: dict[str, object]) -> Snapshot:
        return freeze_catalog(catalog_of(account(), campaign(), ad_group(bid_micros=bid), ad(), *more))

    first, dearer, wider = frozen(5), frozen(6), frozen(6, ad(1001, embedding=[1, 0]))
    retriever = Retriever.of(first)
    renewed = retriever.renewed(dearer)
    assert renewed.index is retriever.index
    assert len(renewed.retrieve(ask(), dearer, T)) == 1
    assert len(renewed.renewed(wider).retrieve(ask(), wider, T)) == 2


def test_an_empty_catalog_and_one_without_vectors_are_served() -> None:
    empty = freeze_catalog(Catalog())
    assert len(Retriever.of(empty).retrieve(ask(intents=intents(), user_interests=[1]), empty, T)) == 0
    plain = {"embedding": None, "embedding_space": None}
    bare = freeze_catalog(catalog_of(account(), campaign(), ad_group(), ad(**plain), ad(1001, **plain)))
    candidates = Retriever.of(bare).retrieve(ask(intents=intents(), user_interests=[7]), bare, T)
    assert candidates.row.tolist() == [0, 1] or candidates.row.tolist() == [1, 0]
    assert candidates["interest_match"].tolist() == [1.0, 1.0]


def test_a_page_alone_on_a_catalog_without_vectors_gets_a_sample() -> None:
    plain = {"embedding": None, "embedding_space": None}
    bare = freeze_catalog(catalog_of(account(), campaign(), ad_group(), ad(**plain)))
    page = [{"embedding": [1.0, 2.0], "source": "pin"}]
    candidates = Retriever.of(bare).retrieve(ask(intents=page, personalized=False), bare, T)
    assert candidates["source"].tolist() == [SourceCode.SAMPLE]
