from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.freezer import freeze_catalog
from adsrank.request import AdRequest
from adsrank.retrieval.bitmap import rows_of
from adsrank.retrieval.eligibility import Eligibility
from adsrank.retrieval.targeting import TargetingIndex
from auction.reason import Reason
from tests.adsrank.catalog.rows import account, ad, ad_group, campaign, catalog_of
from tests.adsrank.retrieval.market import NOW, ask, draw_catalog, verdicts

ANCESTORS = {4: (40,), 5: (40, 1)}

REQUESTS = st.fixed_dictionaries(
    {
        "country": st.sampled_from(["US", "de", "JP", ""]),
        "language": st.sampled_from(["en", "EN-GB", "de-AT", "fr", ""]),
        "device": st.sampled_from(["phone", "Tablet", "tv"]),
        "surface": st.sampled_from(["home", "related", "search"]),
        "user_interests": st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, -7, 10**30]), max_size=4),
        "personalized": st.booleans(),
        "hidden_ads": st.lists(st.sampled_from([1000, 1001, 1017, 1050, 3, 10**40, -1]), max_size=3),
        "blocked_advertisers": st.lists(st.sampled_from([1, 2, 99, 10**40, 0]), max_size=2),
    }
)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 12), fields=REQUESTS)
def test_the_bitmaps_say_what_the_definitions_say(seed: int, fields: dict[str, Any]) -> None:
    catalog = draw_catalog(seed)
    snapshot = freeze_catalog(catalog)
    request = ask(**fields)
    expected = verdicts(catalog, request, ANCESTORS)
    assert sorted(expected) == snapshot.ad_id.tolist()
    filters = Eligibility(snapshot, TargetingIndex(snapshot, ANCESTORS))
    allowed = filters.allowed(request, NOW.timestamp(), explain=True)
    shown = snapshot.ad_id[rows_of(allowed.bits, len(snapshot))].tolist()
    assert shown == [id for id, reason in expected.items() if reason is None]
    counts = Counter(reason for reason in expected.values() if reason is not None)
    assert allowed.filtered == {reason: counts[reason] for reason in allowed.filtered}
    assert list(allowed.filtered) == [
        Reason.STATUS,
        Reason.POLICY,
        Reason.SCHEDULE,
        Reason.TARGETING,
        Reason.USER_CONTROL,
    ]
    for left in allowed.departures:
        assert snapshot.ad_id[left.row].tolist() == [id for id, r in expected.items() if r is left.reason]
    assert sum(len(left.row) for left in allowed.departures) == sum(counts.values())


def eligible(catalog: Catalog, request: AdRequest, now: float) -> list[int]:
    snapshot = freeze_catalog(catalog)
    allowed = Eligibility(snapshot, TargetingIndex(snapshot)).allowed(request, now)
    return [int(id) for id in snapshot.ad_id[rows_of(allowed.bits, len(snapshot))]]


@pytest.mark.parametrize(
    ("offset", "shown"), [(-0.001, False), (0.0, True), (59.999, True), (60.0, False), (-1e9, False)]
)
def test_a_schedule_holds_from_its_first_second_to_before_its_last(offset: float, shown: bool) -> None:
    start = NOW.timestamp()
    catalog = catalog_of(
        account(), campaign(), ad_group(start_time=NOW, end_time="2026-05-01T12:01:00Z"), ad()
    )
    assert bool(eligible(catalog, ask(), start + offset)) is shown


def test_a_filter_computed_for_one_moment_does_not_serve_another() -> None:
    catalog = catalog_of(
        account(), campaign(), ad_group(), ad_group(101, start_time=NOW), ad(), ad(1001, 101)
    )
    snapshot = freeze_catalog(catalog)
    filters = Eligibility(snapshot, TargetingIndex(snapshot))
    sizes = [
        filters.allowed(ask(), NOW.timestamp() + shift).filtered[Reason.SCHEDULE] for shift in (-5, 5, -5, 5)
    ]
    assert sizes == [1, 0, 1, 0]


def test_an_unknown_country_meets_only_ads_that_target_none() -> None:
    rows = [account(), campaign(), ad_group(), ad_group(101, targeting={"countries": ["US"]})]
    catalog = catalog_of(*rows, ad(), ad(1001, 101))
    assert eligible(catalog, ask(country="ZZ"), NOW.timestamp()) == [1000]
    assert eligible(catalog, ask(country="us"), NOW.timestamp()) == [1000, 1001]


def test_targeting_a_node_reaches_the_interests_below_it() -> None:
    catalog = catalog_of(account(), campaign(), ad_group(targeting={"interests": [40]}), ad())
    snapshot = freeze_catalog(catalog)
    plain, tree = TargetingIndex(snapshot), TargetingIndex(snapshot, {4: (40, 50)})
    request = ask(user_interests=[4])
    assert plain.refused(request, np.asarray([0])).tolist() == [True]
    assert tree.refused(request, np.asarray([0])).tolist() == [False]
    assert tree.refused(ask(user_interests=[4], personalized=False), np.asarray([0])).tolist() == [True]


def test_an_advertiser_is_told_which_dimension_refuses() -> None:
    spec = {"countries": ["US"], "devices": ["tv"], "languages": ["en"], "interests": [3]}
    snapshot = freeze_catalog(catalog_of(account(), campaign(), ad_group(targeting=spec), ad()))
    targeting = TargetingIndex(snapshot)
    assert targeting.refusing(ask(country="FR", language="en-US"), 0) == ["country", "device", "interest"]
    assert targeting.refusing(ask(device="tv", user_interests=[3]), 0) == []
