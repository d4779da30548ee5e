from collections import Counter

import numpy as np
import pytest

from adsrank.catalog.freezer import freeze_catalog
from adsrank.catalog.snapshot import Snapshot
from adsrank.errors import InputError, SpaceMismatch
from adsrank.retrieval.ann_source import AnnSource
from adsrank.retrieval.bitmap import pack
from adsrank.retrieval.exact import ExactIndex
from adsrank.retrieval.interest_source import InterestSource
from adsrank.retrieval.sample_source import SampleSource
from adsrank.retrieval.signals import Signals
from adsrank.retrieval.walk import mix, shuffled, start_of, walk
from tests.adsrank.retrieval.market import D, ask, draw_catalog

EAST, NORTH = [1.0] + [0.0] * (D - 1), [0.0, 1.0] + [0.0] * (D - 2)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return freeze_catalog(draw_catalog(3, ads=600))


def signals(**fields: object) -> Signals:
    return Signals.of(ask(**fields), "test-v1", D)


def test_without_personalization_nothing_of_the_user_is_read() -> None:
    intents = [
        {"embedding": EAST, "source": "user"},
        {"embedding": NORTH, "source": "pin", "weight": 3},
        {"embedding": EAST, "source": "session"},
        {"embedding": EAST, "source": "anything"},
    ]
    read = signals(intents=intents, user_interests=[1], recent_interests=[2], personalized=False)
    assert read.units.tolist() == [NORTH]
    assert read.numbers.tolist() == [1]
    assert read.interests == ()
    assert read.stated == ()
    alone = signals(personalized=False, user_id="another", user_interests=[5], intents=intents[1:2])
    assert np.array_equal(alone.units, read.units)
    assert alone.seed == read.seed


def test_weights_are_shares_and_intents_unit_vectors() -> None:
    read = signals(intents=[{"embedding": [3.0] * D, "weight": 3}, {"embedding": EAST, "weight": 1}])
    assert read.weights.tolist() == [0.75, 0.25]
    assert np.allclose(np.linalg.norm(read.units, axis=1), 1)


def test_stated_and_recent_interests_are_weighed_together() -> None:
    read = signals(user_interests=[9, 9, 4], recent_interests=[4, 4, 7, 8])
    assert read.interests == (4, 9, 7, 8)
    assert np.allclose(read.interest_weights, np.asarray([1.5, 1.0, 0.25, 0.25]) / 3)
    assert read.stated == (9, 4)


def test_intents_that_cannot_be_compared_are_refused_by_name() -> None:
    with pytest.raises(SpaceMismatch, match="'old-v0'"):
        signals(intents=[{"embedding": EAST}], embedding_space="old-v0")
    with pytest.raises(InputError, match=r"intents\[0\].embedding: '3 numbers'"):
        signals(intents=[{"embedding": [1, 2, 3]}])
    with pytest.raises(InputError, match=r"intents\[1\].embedding"):
        signals(intents=[{"embedding": EAST}, {"embedding": [0.0] * D}])


def test_a_catalog_without_vectors_ignores_intents() -> None:
    read = Signals.of(ask(intents=[{"embedding": EAST}], embedding_space="any"), None, 0)
    assert read.units.shape == (0, 0)


def test_each_intent_gets_its_nearest_ads_and_its_share(snapshot: Snapshot) -> None:
    source = AnnSource(ExactIndex.of(snapshot))
    everything = pack(np.ones(len(snapshot), np.bool_))
    read = signals(intents=[{"embedding": EAST, "weight": 3}, {"embedding": NORTH}])
    east, north = source.retrieve(read, snapshot, everything, 40)
    assert east.rows[0] == np.argmax(snapshot.embedding[:, 0])
    assert north.rows[0] == np.argmax(snapshot.embedding[:, 1])
    assert (east.share, north.share) == (pytest.approx(0.6875), pytest.approx(0.3125))
    assert source.retrieve(signals(), snapshot, everything, 40) == []


def test_interest_hits_name_the_interest_and_are_allowed(snapshot: Snapshot) -> None:
    source = InterestSource(snapshot)
    allowed = np.random.default_rng(0).random(len(snapshot)) < 0.5
    read = signals(user_interests=[2, 99999], recent_interests=[3, 10**30, -4])
    hits = source.retrieve(read, snapshot, pack(allowed), 60)
    assert len(hits) == 2
    for interest, found in zip((2, 3), hits, strict=True):
        assert len(found.rows)
        assert len(set(found.rows.tolist())) == len(found.rows)
        for row in found.rows:
            assert allowed[row]
            assert interest in snapshot.interests[row]
    assert hits[0].share > hits[1].share


def test_requests_draw_different_ads_of_an_interest_and_none_is_favoured(snapshot: Snapshot) -> None:
    source = InterestSource(snapshot)
    everything = pack(np.ones(len(snapshot), np.bool_))
    drawn: Counter[int] = Counter()
    for i in range(400):
        for hits in source.retrieve(
            signals(request_id=f"r{i}", user_interests=[1]), snapshot, everything, 10
        ):
            drawn.update(hits.rows.tolist())
    names = [row for row in range(len(snapshot)) if 1 in snapshot.interests[row]]
    assert sorted(drawn) == names
    assert max(drawn.values()) < 4 * 4000 / len(names)


def test_the_sample_is_for_requests_that_say_nothing(snapshot: Snapshot) -> None:
    source = SampleSource(snapshot)
    allowed = np.arange(len(snapshot)) % 3 == 0
    (hits,) = source.retrieve(signals(), snapshot, pack(allowed), 20)
    assert len(hits.rows) == len(set(hits.rows.tolist())) == 20
    assert allowed[hits.rows].all()
    (again,) = source.retrieve(signals(user_id="someone else"), snapshot, pack(allowed), 20)
    assert np.array_equal(hits.rows, again.rows)
    (other,) = source.retrieve(signals(request_id="r2"), snapshot, pack(allowed), 20)
    assert not np.array_equal(hits.rows, other.rows)
    assert source.retrieve(signals(user_interests=[1]), snapshot, pack(allowed), 20) == []


def test_a_walk_goes_round_once_and_no_further() -> None:
    rows = np.asarray([4, 2, 9, 7])
    everything = pack(np.ones(10, np.bool_))
    assert walk(rows, 2, everything, 3).tolist() == [9, 7, 4]
    assert walk(rows, 1, everything, 99).tolist() == [2, 9, 7, 4]
    assert walk(rows, 3, pack(np.arange(10) == 2), 5).tolist() == [2]
    assert walk(rows, 0, everything, 0).tolist() == []


def test_shuffles_and_starts_do_not_depend_on_the_process() -> None:
    assert mix(np.asarray([0, 1], np.uint64)).tolist() == [0xE220A8397B1DCDAF, 0x910A2DEC89025CC1]
    assert shuffled(np.arange(6), np.arange(100, 106)).tolist() != list(range(6))
    starts = [start_of(seed, 5, 7) for seed in range(7000)]
    assert min(np.bincount(starts)) > 850
    assert start_of(0, 0, 2**64) == 0xE220A8397B1DCDAF
