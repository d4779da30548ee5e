"""A snapshot of drawn ads, and plain Python that says which may be shown."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from adsrank.catalog.catalog import Catalog
from adsrank.catalog.entities import Ad, AdGroup, Campaign, Status
from adsrank.request import AdRequest
from auction.reason import Reason
from tests.adsrank.catalog.rows import Row, account, ad, ad_group, campaign, catalog_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
D = 8


def draw_catalog(seed: int, ads: int = 120, strict: float = 0.5) -> Catalog:
    """Ads of three accounts with every kind of targeting, status, schedule and label.

    `strict` is the chance that an ad group names a dimension, or a schedule a start or an end.
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = [account(id) for id in (1, 2, 3)]

    def some(values: list[Any]) -> list[Any] | None:
        named = [value for value in values if rng.random() < 0.5] or values[:1]
        return named if rng.random() < strict else None

    def status() -> str:
        return str(
            rng.choice(["ACTIVE", "PAUSED", "ARCHIVED"], p=[1 - 0.4 * strict, 0.2 * strict, 0.2 * strict])
        )

    def schedule() -> Row:
        start, end = sorted(rng.integers(1, 29, 2).tolist())
        month = "2026-05" if rng.random() < 0.6 * strict else "2026-04"
        return {
            "start_time": f"{month}-{start:02d}" if rng.random() < strict else None,
            "end_time": f"2026-05-{end + 1:02d}" if rng.random() < strict and month == "2026-04" else None,
            "status": status(),
        }

    for id in range(10, 16):
        rows.append(campaign(id, int(rng.integers(1, 4)), **schedule()))
    for id in range(100, 120):
        spec = {
            "countries": some(["US", "DE", "FR"]),
            "languages": some(["en", "de", "en-gb"]),
            "devices": some(["phone", "tablet"]),
            "surfaces": some(["home", "search"]),
            "interests": some([1, 2, 3, 40]),
        }
        targeting = {name: values for name, values in spec.items() if values is not None}
        rows.append(ad_group(id, int(rng.integers(10, 16)), targeting=targeting, **schedule()))
    for id in range(1000, 1000 + ads):
        vector: Row = {"embedding": rng.standard_normal(D).round(4).tolist(), "embedding_space": "test-v1"}
        if rng.random() < 0.1:
            vector = {"embedding": None, "embedding_space": None}
        rows.append(
            ad(
                id,
                int(rng.integers(100, 120)),
                interests=rng.permutation(6)[: rng.integers(1, 4)].tolist(),
                policy_labels=["rejected"] if rng.random() < 0.1 else [],
                status=status(),
                **vector,
            )
        )
    return catalog_of(*rows)


def ask(**more: Any) -> AdRequest:
    """A request at `NOW` with what a test does not care about filled in."""
    return AdRequest.model_validate({"request_id": "r1", "user_id": "u1", "time": NOW} | more)


def why_not(
    one: Ad, group: AdGroup, above: Campaign, request: AdRequest, ancestors: dict[int, tuple[int, ...]]
) -> Reason | None:
    """The first filter that keeps `one` out, by the definitions; none where it may be shown."""
    if {one.status, group.status, above.status} != {Status.ACTIVE}:
        return Reason.STATUS
    if one.blocked:
        return Reason.POLICY
    for part in (group, above):
        if part.start_time is not None and part.start_time > NOW:
            return Reason.SCHEDULE
        if part.end_time is not None and part.end_time <= NOW:
            return Reason.SCHEDULE
    spec = group.targeting
    stated = request.user_interests if request.personalized else []
    nodes = {node for interest in stated for node in (interest, *ancestors.get(interest, ()))}
    language = request.language.lower()
    accepted = (
        (spec.countries is None or request.country.upper() in spec.countries)
        and (spec.languages is None or bool({language, language.split("-")[0]} & set(spec.languages)))
        and (spec.devices is None or request.device.lower() in spec.devices)
        and (spec.surfaces is None or request.surface in spec.surfaces)
        and (spec.interests is None or bool(nodes & set(spec.interests)))
    )
    if not accepted:
        return Reason.TARGETING
    if one.id in request.hidden_ads or above.account_id in request.blocked_advertisers:
        return Reason.USER_CONTROL
    return None


def verdicts(
    catalog: Catalog, request: AdRequest, ancestors: dict[int, tuple[int, ...]] | None = None
) -> dict[int, Reason | None]:
    """Ad id -> why it is kept out (None: it may be shown), archived ads left out."""
    groups = {group.id: group for group in catalog.ad_groups}
    campaigns = {one.id: one for one in catalog.campaigns}
    found: dict[int, Reason | None] = {}
    for one in catalog.ads:
        group = groups[one.ad_group_id]
        above = campaigns[group.campaign_id]
        if Status.ARCHIVED not in {one.status, group.status, above.status}:
            found[one.id] = why_not(one, group, above, request, ancestors or {})
    return found
