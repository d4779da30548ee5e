"""Make a snapshot of a catalog."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from adsrank.catalog.campaigns import Campaigns
from adsrank.catalog.catalog import Catalog
from adsrank.catalog.columns import Lists
from adsrank.catalog.entities import Account, Ad, AdGroup, Campaign, CappedEvent, Pacing, Status
from adsrank.catalog.snapshot import Snapshot
from adsrank.catalog.vector import unit_rows
from adsrank.errors import InputError, SpaceMismatch
from auction.billable import Billable

ALWAYS = 0
NEVER = 2**62
"""Epoch seconds of a schedule without a start or an end."""


def freeze_catalog(catalog: Catalog, embedding_space: str | None = None) -> Snapshot:
    """The snapshot of `catalog`: everything that is not archived at any level.

    `embedding_space` is the space that is served; vectors of other spaces are left out (their ads
    are then reached by interest only). Null takes the catalog's own, if it has but one.

    Raises:
        SpaceMismatch: the catalog has vectors of several spaces and none was asked for.
        InputError: an entity without its parent, or vectors of different lengths in one space.
    """
    accounts = {account.id: account for account in catalog.accounts}
    campaigns = [campaign for campaign in catalog.campaigns if campaign.status is not Status.ARCHIVED]
    campaign_row = {campaign.id: row for row, campaign in enumerate(campaigns)}
    known_campaigns = {campaign.id for campaign in catalog.campaigns}
    groups = []
    for group in catalog.ad_groups:
        if group.campaign_id not in known_campaigns:
            raise InputError(f"ad_group {group.id}: campaign_id", group.campaign_id, "give one that exists")
        if group.status is not Status.ARCHIVED and group.campaign_id in campaign_row:
            groups.append(group)
    group_row = {group.id: row for row, group in enumerate(groups)}
    known_groups = {group.id for group in catalog.ad_groups}
    ads = []
    for ad in catalog.ads:
        if ad.ad_group_id not in known_groups:
            raise InputError(f"ad {ad.id}: ad_group_id", ad.ad_group_id, "give one that exists")
        if ad.status is not Status.ARCHIVED and ad.ad_group_id in group_row:
            ads.append(ad)
    for campaign in campaigns:
        if campaign.account_id not in accounts:
            raise InputError(
                f"campaign {campaign.id}: account_id", campaign.account_id, "give one that exists"
            )
    group_of = np.asarray([group_row[ad.ad_group_id] for ad in ads], np.int32)
    campaign_of_group = np.asarray([campaign_row[group.campaign_id] for group in groups], np.int32)
    return _columns(catalog, ads, groups, campaigns, accounts, group_of, campaign_of_group, embedding_space)


def _columns(
    catalog: Catalog,
    ads: list[Ad],
    groups: list[AdGroup],
    campaigns: list[Campaign],
    accounts: dict[int, Account],
    group_row: np.ndarray,
    campaign_of_group: np.ndarray,
    embedding_space: str | None,
) -> Snapshot:
    campaign_row = campaign_of_group[group_row] if len(ads) else np.zeros(0, np.int32)
    of_group = _gather(groups, group_row)
    of_campaign = _gather(campaigns, campaign_row)
    space = embedding_space if embedding_space is not None else _only_space(ads)
    embedding, embedded = _vectors(ads, space)
    starts = [_seconds(c.start_time, ALWAYS) for c in campaigns]
    ends = [_seconds(c.end_time, NEVER) for c in campaigns]
    group_starts = [_seconds(g.start_time, ALWAYS) for g in groups]
    group_ends = [_seconds(g.end_time, NEVER) for g in groups]
    return Snapshot(
        sequence=catalog.sequence,
        embedding_space=space if embedded.any() or embedding_space is not None else None,
        currency=catalog.accounts[0].currency if catalog.accounts else "USD",
        ad_id=np.asarray([ad.id for ad in ads], np.int64),
        ad_group_id=np.asarray([ad.ad_group_id for ad in ads], np.int64),
        campaign_id=of_campaign([c.id for c in campaigns], np.int64),
        advertiser_id=of_campaign([c.account_id for c in campaigns], np.int64),
        billable=of_group([int(g.billable_event) for g in groups], np.int8),
        goal=of_group([int(g.goal) for g in groups], np.int8),
        bid_micros=of_group([g.bid_per_event_micros for g in groups], np.int64),
        interest=np.asarray([ad.interests[0] for ad in ads], np.int32),
        interests=Lists.of((ad.interests for ad in ads), np.int32),
        format=np.asarray([ad.format.value for ad in ads], "U10"),
        objective=of_campaign([c.objective.value for c in campaigns], "U13"),
        tolerance=np.asarray([int(ad.max_adjacent_risk) for ad in ads], np.int8),
        created_at=np.where(
            (created := np.asarray([_seconds(ad.created_at, -1) for ad in ads], np.int64)) >= 0,
            created,
            of_campaign(starts, np.int64),
        ),
        status_active=np.asarray([ad.status is Status.ACTIVE for ad in ads], np.bool_)
        & of_group([g.status is Status.ACTIVE for g in groups], np.bool_)
        & of_campaign([c.status is Status.ACTIVE for c in campaigns], np.bool_),
        policy_clear=np.asarray([not ad.blocked for ad in ads], np.bool_),
        starts_at=np.maximum(of_campaign(starts, np.int64), of_group(group_starts, np.int64)),
        ends_at=np.minimum(of_campaign(ends, np.int64), of_group(group_ends, np.int64)),
        title=_texts([ad.title for ad in ads]),
        destination_url=_texts([ad.destination_url for ad in ads]),
        embedding=embedding,
        embedded=embedded,
        group_row=group_row,
        campaign_row=campaign_row,
        targeting=_targeting(groups),
        campaigns=_campaigns(campaigns, accounts, starts, ends),
    )


def _gather(owners: Sequence[Any], rows: np.ndarray) -> Any:
    """Spread values of ad groups or campaigns over their ads."""

    def spread(values: list[Any], dtype: Any) -> np.ndarray:
        column = np.asarray(values, dtype)
        return column[rows] if len(owners) else np.zeros(0, dtype)

    return spread


def _seconds(moment: datetime | None, missing: int) -> int:
    return missing if moment is None else int(moment.timestamp())


def _texts(values: list[str]) -> np.ndarray:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _only_space(ads: list[Ad]) -> str | None:
    spaces = sorted({ad.embedding_space for ad in ads if ad.embedding_space})
    if len(spaces) > 1:
        raise SpaceMismatch(f"ads have vectors of the spaces {', '.join(spaces)}: say which one is served")
    return spaces[0] if spaces else None


def _vectors(ads: list[Ad], space: str | None) -> tuple[np.ndarray, np.ndarray]:
    rows = [row for row, ad in enumerate(ads) if ad.embedding is not None and ad.embedding_space == space]
    embedded = np.zeros(len(ads), np.bool_)
    embedded[rows] = True
    lengths = {len(ads[row].embedding or ()): row for row in rows}
    if len(lengths) > 1:
        raise InputError(
            f"ad {ads[max(lengths.values())].id}: embedding", sorted(lengths), "one length a space"
        )
    embedding = np.zeros((len(ads), next(iter(lengths), 0)), np.float32)
    if rows:
        raw = b"".join(ads[row].embedding.tobytes() for row in rows)  # type: ignore[union-attr]
        embedding[rows] = unit_rows(np.frombuffer(raw, np.float32).reshape(len(rows), -1))
    return embedding, embedded


def _targeting(groups: list[AdGroup]) -> dict[str, Lists]:
    specs = [group.targeting for group in groups]
    return {
        "country": Lists.of((spec.countries or () for spec in specs), "U2"),
        "language": Lists.of((spec.languages or () for spec in specs), "U16"),
        "device": Lists.of((spec.devices or () for spec in specs), "U16"),
        "surface": Lists.of(([s.value for s in spec.surfaces or ()] for spec in specs), "U16"),
        "interest": Lists.of((spec.interests or () for spec in specs), np.int32),
    }


def _campaigns(
    campaigns: list[Campaign], accounts: dict[int, Account], starts: list[int], ends: list[int]
) -> Campaigns:
    caps = [campaign.frequency_cap for campaign in campaigns]
    event = {CappedEvent.IMPRESSION: Billable.IMPRESSION, CappedEvent.CLICK: Billable.CLICK}
    return Campaigns(
        campaign_id=np.asarray([c.id for c in campaigns], np.int64),
        advertiser_id=np.asarray([c.account_id for c in campaigns], np.int64),
        name=_texts([c.name for c in campaigns]),
        active=np.asarray([c.status is Status.ACTIVE for c in campaigns], np.bool_),
        daily_limit_micros=np.asarray([c.daily_budget_micros or 0 for c in campaigns], np.int64),
        lifetime_limit_micros=np.asarray([c.lifetime_budget_micros or 0 for c in campaigns], np.int64),
        time_zone=_texts([accounts[c.account_id].time_zone for c in campaigns]),
        accelerated=np.asarray([c.pacing is Pacing.ACCELERATED for c in campaigns], np.bool_),
        starts_at=np.asarray(starts, np.int64),
        ends_at=np.asarray(ends, np.int64),
        cap_event=np.asarray([event[cap.event] if cap else -1 for cap in caps], np.int8),
        cap_interval_days=np.asarray([cap.interval_days if cap else 0 for cap in caps], np.int16),
        cap_max=np.asarray([cap.max_frequency if cap else 0 for cap in caps], np.int32),
    )
