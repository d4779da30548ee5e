"""The ads of a catalog as columns: what the market's truth and its history look at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from adsrank.catalog.entities import BLOCKING_LABELS
from adsrank.data.world import Float32, Int32, Int64, Text, unit
from auction.errors import InputError

_ENDLESS = 2**62


@dataclass(frozen=True, slots=True)
class Inventory:
    """Columns of n ads in ascending order of `ad_id`; archived ads are in it too."""

    ad_id: Int64
    campaign_id: Int64
    advertiser_id: Int64
    interest: Int32
    """Main interest, a leaf node."""
    vector: Float32
    """[n, d], of unit length."""
    format: Text
    objective: Text
    created_at: Int64
    """Seconds since 1970 UTC."""
    starts_at: Int64
    ends_at: Int64
    """Schedule of the campaign, narrowed by the ad group's where it has one."""
    active: np.ndarray
    """bool: ACTIVE at every level and no blocking policy label."""
    targeting: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Inventory":
        """From catalog rows (dicts with `kind`), parents anywhere in the list.

        Raises:
            InputError: no ad, a missing parent, or an ad without an embedding.
        """
        kinds: dict[str, dict[int, Mapping[str, Any]]] = {
            "account": {},
            "campaign": {},
            "ad_group": {},
            "ad": {},
        }
        for number, row in enumerate(rows):
            if row.get("kind") not in kinds:
                raise InputError(f"rows[{number}].kind", row.get("kind"), f"one of {', '.join(kinds)}")
            kinds[row["kind"]][row["id"]] = row
        ads = [kinds["ad"][number] for number in sorted(kinds["ad"])]
        if not ads:
            raise InputError("rows", "no ad", "give at least one row of kind 'ad'")
        groups = [_parent(kinds["ad_group"], ad, "ad_group_id") for ad in ads]
        campaigns = [_parent(kinds["campaign"], group, "campaign_id") for group in groups]
        for ad in ads:
            for key in ("embedding", "interests", "created_at"):
                if not ad.get(key):
                    raise InputError(
                        f"ad {ad['id']}: {key}", ad.get(key), f"the market needs {key} of each ad"
                    )
        return cls(
            ad_id=np.array([ad["id"] for ad in ads], np.int64),
            campaign_id=np.array([row["id"] for row in campaigns], np.int64),
            advertiser_id=np.array([row["account_id"] for row in campaigns], np.int64),
            interest=np.array([ad["interests"][0] for ad in ads], np.int32),
            vector=unit(np.array([ad["embedding"] for ad in ads], np.float32)),
            format=np.array([ad["format"] for ad in ads]),
            objective=np.array([row["objective"] for row in campaigns]),
            created_at=np.array([seconds(ad["created_at"]) for ad in ads], np.int64),
            starts_at=_bounds(campaigns, groups, "start_time", max, -_ENDLESS),
            ends_at=_bounds(campaigns, groups, "end_time", min, _ENDLESS),
            active=np.array([_runs(*chain) for chain in zip(ads, groups, campaigns, strict=True)]),
            targeting=tuple(group.get("targeting") or {} for group in groups),
        )

    def row_of(self, ad_id: np.ndarray) -> Int64:
        """Row of each ad id.

        Raises:
            InputError: an ad that is not in the inventory.
        """
        at = np.minimum(np.searchsorted(self.ad_id, ad_id), len(self.ad_id) - 1)
        unknown = np.flatnonzero(self.ad_id[at] != ad_id)
        if len(unknown):
            raise InputError(f"ad_id[{unknown[0]}]", int(ad_id[unknown[0]]), "an ad of the market's catalog")
        return at.astype(np.int64)

    def accepts(self, key: str, value: Any) -> np.ndarray:
        """bool [n]: ads whose targeting takes `value` of `key` (countries, ...); none set takes all."""
        return np.fromiter((not spec.get(key) or value in spec[key] for spec in self.targeting), bool)


def seconds(time: str | datetime) -> int:
    """Seconds since 1970 UTC of an ISO 8601 text or a datetime; without a zone it is UTC."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return int((moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp())


def _runs(ad: Mapping[str, Any], group: Mapping[str, Any], campaign: Mapping[str, Any]) -> bool:
    running = all(row.get("status", "ACTIVE") == "ACTIVE" for row in (ad, group, campaign))
    return running and BLOCKING_LABELS.isdisjoint(ad.get("policy_labels") or ())


def _parent(table: Mapping[int, Mapping[str, Any]], row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if row[key] not in table:
        raise InputError(f"{row['kind']} {row['id']}: {key}", row[key], "the id of a row in the same list")
    return table[row[key]]


def _bounds(
    campaigns: list[Mapping[str, Any]], groups: list[Mapping[str, Any]], key: str, narrow: Any, missing: int
) -> Int64:
    def bound(row: Mapping[str, Any]) -> int:
        return seconds(row[key]) if row.get(key) else missing

    pairs = zip(campaigns, groups, strict=True)
    return np.array([narrow(bound(campaign), bound(group)) for campaign, group in pairs], np.int64)
