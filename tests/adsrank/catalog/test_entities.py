from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adsrank.catalog.entities import Ad, AdGroup, Campaign
from adsrank.catalog.file import parse_entity
from adsrank.catalog.problem import Problem
from auction.billable import Billable, Grade
from tests.adsrank.catalog.rows import Row, account, ad, ad_group, campaign, entity


def problems(row: Row) -> list[Problem]:
    parsed = parse_entity(row)
    assert isinstance(parsed, list), f"taken: {parsed}"
    return parsed


REFUSED: list[tuple[Row, str, str]] = [
    (campaign(daily_budget_micros=0), "daily_budget_micros", "greater than 0"),
    (campaign(daily_budget_micros=-1), "daily_budget_micros", "greater than 0"),
    (campaign(daily_budget_micros=1.5), "daily_budget_micros", "valid integer"),
    (campaign(daily_budget_micros=None), "lifetime_budget_micros", "no budget"),
    (campaign(daily_budget_micros=2**60), "daily_budget_micros", "less than or equal"),
    (campaign(dayly_budget_micros=5), "dayly_budget_micros", "did you mean 'daily_budget_micros'"),
    (campaign(frequency_cap={"interval_days": 91, "max_frequency": 1}), "frequency_cap.interval_days", "90"),
    (campaign(frequency_cap={"interval_days": 1, "max_frequency": 0}), "frequency_cap.max_frequency", "1"),
    (
        campaign(frequency_cap={"days": 1, "max_frequency": 2, "interval_days": 1}),
        "frequency_cap.days",
        "known",
    ),
    (campaign(start_time="2026-02-01", end_time="2026-02-01"), "end_time", "not after start_time"),
    (campaign(status="active"), "status", "ACTIVE"),
    (campaign(id=True), "id", "valid integer"),
    (campaign(id=7.0), "id", "valid integer"),
    (campaign(id=2**63), "id", "less than or equal"),
    (account(time_zone="Europe/Atlantis"), "time_zone", "IANA"),
    (account(time_zone="../../etc/passwd"), "time_zone", "IANA"),
    (account(currency="usd"), "currency", "pattern"),
    (account(name=""), "name", "at least 1"),
    (account(name="a\x00b"), "name", "pattern"),
    (ad_group(bid_micros=-250_000), "bid_micros", "greater than 0"),
    (ad_group(bid_micros=float("nan")), "bid_micros", "integer"),
    (ad_group(billable_event="IMPRESSION", bid_micros=2_000_500), "bid_micros", "multiple of 1,000"),
    (ad_group(billable_event="VIEW"), "billable_event", "not yet supported; give one of IMPRESSION, CLICK"),
    (ad_group(bid_event="VIEW"), "bid_event", "not yet supported; give one of IMPRESSION, CLICK"),
    (ad_group(bid_event="view"), "bid_event", "IMPRESSION, CLICK, CONVERSION"),
    (ad_group(bid_event=2), "bid_event", "IMPRESSION, CLICK, CONVERSION"),
    (ad_group(bid_event="IMPRESSION"), "bid_event", "before the billable CLICK"),
    (ad_group(billable_event="CONVERSION", bid_event="CLICK"), "bid_event", "give CONVERSION"),
    (ad_group(billable_event=1), "billable_event", "IMPRESSION, CLICK, CONVERSION"),
    (ad_group(bid_strategy="TARGET_ROAS"), "bid_strategy", "not yet supported"),
    (ad_group(targeting={"countrys": ["US"]}), "targeting.countrys", "did you mean 'countries'"),
    (ad_group(targeting={"countries": ["US", "USA"]}), "targeting.countries[1]", "pattern"),
    (ad_group(targeting={"devices": []}), "targeting.devices", "leave it out"),
    (ad_group(targeting={"surfaces": ["inbox"]}), "targeting.surfaces[0]", "home"),
    (ad_group(targeting={"interests": [1.5]}), "targeting.interests[0]", "integer"),
    (ad(embedding=[1.0, float("nan")]), "embedding[1]", "finite"),
    (ad(embedding=[1.0, float("inf")]), "embedding[1]", "finite"),
    (ad(embedding=[0.0, 0.0]), "embedding", "no direction"),
    (ad(embedding=[]), "embedding", "at least 1"),
    (ad(embedding="AAAA"), "embedding", "list"),
    (ad(embedding=[0.1] * 1025), "embedding", "at most 1024"),
    (ad(embedding_space=None), "embedding_space", "both or neither"),
    (ad(embedding=None), "embedding_space", "both or neither"),
    (ad(destination_url="http://shop.example/"), "destination_url", "only https"),
    (ad(destination_url="javascript:alert(1)"), "destination_url", "only https"),
    (ad(destination_url="https://bank.example@evil.example/"), "destination_url", "user part"),
    (ad(destination_url="https:///path/only"), "destination_url", "no host"),
    (ad(destination_url="https://a.example/\r\nSet-Cookie: x"), "destination_url", "control"),
    (ad(destination_url="https://a.example:99999/"), "destination_url", "not an address"),
    (ad(interests=[]), "interests", "at least 1"),
    (ad(interests=[1, 1]), "interests", "twice"),
    (ad(interests=list(range(9))), "interests", "at most 8"),
    (ad(policy_labels=["rejectd"]), "policy_labels", "did you mean 'rejected'"),
    (ad(max_adjacent_risk="medium"), "max_adjacent_risk", "LOW, MEDIUM, HIGH"),
    (ad(format="gif"), "format", "image"),
]


@pytest.mark.parametrize(("row", "field", "fix"), REFUSED, ids=[f"{r['kind']}.{f}" for r, f, _ in REFUSED])
def test_a_bad_value_is_refused_with_its_path_and_the_way_out(row: Row, field: str, fix: str) -> None:
    found = problems(row)
    assert [problem.field for problem in found] == [field]
    assert fix in found[0].fix
    assert found[0].kind == row["kind"]


def test_a_missing_field_is_named() -> None:
    row = ad_group()
    del row["bid_micros"]
    assert [(p.field, p.fix) for p in problems(row)] == [("bid_micros", "it is required")]


def test_an_unknown_kind_gets_a_did_you_mean() -> None:
    assert "did you mean 'campaign'" in problems({"kind": "campagin", "id": 1})[0].fix
    assert problems({"id": 1})[0].field == "kind"
    assert problems({"kind": ["ad"]})[0].field == "kind"


def test_a_cpm_bid_is_divided_by_a_thousand_and_others_are_not() -> None:
    cpm, cpc = entity(ad_group(billable_event="IMPRESSION", bid_micros=2_000_000)), entity(ad_group())
    assert isinstance(cpm, AdGroup)
    assert isinstance(cpc, AdGroup)
    assert cpm.billable_event is Billable.IMPRESSION
    assert cpm.bid_per_event_micros == 2_000
    assert cpc.bid_per_event_micros == 250_000


@pytest.mark.parametrize(
    ("billed", "bid_for", "goal", "per_event"),
    [
        ("CLICK", None, Billable.CLICK, 2_000_000),
        ("CLICK", "CLICK", Billable.CLICK, 2_000_000),
        ("CLICK", "CONVERSION", Billable.CONVERSION, 2_000_000),
        ("IMPRESSION", None, Billable.IMPRESSION, 2_000),
        ("IMPRESSION", "IMPRESSION", Billable.IMPRESSION, 2_000),
        ("IMPRESSION", "CLICK", Billable.CLICK, 2_000_000),
        ("IMPRESSION", "CONVERSION", Billable.CONVERSION, 2_000_000),
        ("CONVERSION", "CONVERSION", Billable.CONVERSION, 2_000_000),
    ],
)
def test_a_bid_may_be_for_an_event_behind_the_one_that_is_billed(
    billed: str, bid_for: str | None, goal: Billable, per_event: int
) -> None:
    group = entity(ad_group(billable_event=billed, bid_event=bid_for, bid_micros=2_000_000))
    assert isinstance(group, AdGroup)
    assert (group.billable_event, group.goal) == (Billable[billed], goal)
    assert group.bid_per_event_micros == per_event
    assert AdGroup.model_validate(group.model_dump(mode="json")) == group


def test_only_a_bid_for_impressions_must_divide_by_a_thousand() -> None:
    row = ad_group(billable_event="IMPRESSION", bid_micros=2_000_500)
    assert [problem.field for problem in problems(row)] == ["bid_micros"]
    assert isinstance(entity(row | {"bid_event": "CLICK"}), AdGroup)


def test_a_time_without_a_zone_is_utc_and_one_with_a_zone_becomes_utc() -> None:
    plain = entity(campaign(start_time="2026-03-01T10:00:00.9"))
    zoned = entity(campaign(start_time=datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))))
    assert isinstance(plain, Campaign)
    assert isinstance(zoned, Campaign)
    assert plain.start_time == zoned.start_time == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_targeting_values_are_kept_in_one_spelling() -> None:
    group = entity(
        ad_group(targeting={"countries": ["us", "US"], "languages": ["en-GB"], "devices": ["Phone"]})
    )
    assert isinstance(group, AdGroup)
    spec = group.targeting
    assert (spec.countries, spec.languages, spec.devices, spec.interests) == (
        ["US"],
        ["en-gb"],
        ["phone"],
        None,
    )


@pytest.mark.parametrize("label", ["rejected", "under_review", "suspended"])
def test_a_blocking_label_blocks_and_another_does_not(label: str) -> None:
    blocked, clear = entity(ad(policy_labels=["alcohol", label])), entity(ad(policy_labels=["alcohol"]))
    assert isinstance(blocked, Ad)
    assert isinstance(clear, Ad)
    assert blocked.blocked
    assert not clear.blocked


def test_an_entity_survives_its_own_json() -> None:
    one = entity(ad(max_adjacent_risk="LOW", created_at="2026-01-01T00:00:00Z"))
    again = Ad.model_validate(one.model_dump(mode="json"))
    assert again == one
    assert again.max_adjacent_risk is Grade.LOW


def test_entities_do_not_change() -> None:
    one = entity(ad())
    with pytest.raises(ValidationError, match="frozen"):
        one.name = "other"  # type: ignore[misc]


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=8))
def test_an_embedding_keeps_its_32_bit_values(values: list[float]) -> None:
    parsed = parse_entity(ad(embedding=values))
    if np.linalg.norm(np.asarray(values, np.float64)) < 1e-6:
        assert isinstance(parsed, list)
    else:
        assert isinstance(parsed, Ad)
        assert parsed.embedding is not None
        assert parsed.embedding.tolist() == [float(np.float32(value)) for value in values]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
    st.sampled_from(["id", "name", "interests", "embedding", "destination_url", "policy_labels", "extra"]),
)
def test_any_value_in_a_field_is_taken_or_refused_but_never_breaks(value: Any, field: str) -> None:
    parsed = parse_entity(ad() | {field: value})
    assert isinstance(parsed, Ad) or all(len(str(problem)) < 2000 for problem in parsed)
