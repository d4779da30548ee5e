"""What an engine decides with: policy, bundle, snapshot and index, swapped as one."""

from dataclasses import replace

import pytest

from adsrank.errors import SpaceMismatch
from adsrank.retrieval.retriever import Retriever
from auction.policy import AuctionPolicy
from tests.adsrank.engine.page import POLICY


def test_the_resolved_policy_has_a_hash_of_its_own(release):
    unresolved = release.policy.hash
    assert release.resolved_policy.hash != unresolved
    same = AuctionPolicy.model_validate(release.resolved_policy.model_dump())
    assert release.resolved_policy.hash == same.hash


def test_a_bundle_of_another_space_refuses_to_serve(release):
    vectors = release.snapshot.embedding
    foreign = release.snapshot.with_embedding("other-v9", vectors, release.snapshot.embedded)
    with pytest.raises(SpaceMismatch, match="other-v9"):
        replace(release, snapshot=foreign, retriever=Retriever.of(foreign))


def test_a_swap_changes_all_parts_at_once(engine, release, stream):
    before = engine.decide(stream[0])
    engine.swap(replace(release, policy=POLICY.model_copy(update={"name": "other"})))
    after = engine.decide(stream[0])
    assert after.policy_hash != before.policy_hash
    assert [ad.price_micros for ad in after.ads] == [ad.price_micros for ad in before.ads]
