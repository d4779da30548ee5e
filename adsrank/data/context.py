"""Rows that pair a visit with an ad: what the truth, and the training table, say about the pair.

The same columns are made from a request, as the engine got it, and from a block of planned visits.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from adsrank.data.actions import pulls, warmth
from adsrank.data.inventory import Inventory
from adsrank.data.population import DEVICES, country_offset
from adsrank.data.visit import Visits, Wants
from adsrank.data.world import DAY_S, MICROS, Float32, Float64, Int32, Int64, World, unit
from adsrank.features.columns import action_columns
from adsrank.request import AdRequest
from auction.errors import InputError


@dataclass(frozen=True, slots=True)
class Context:
    """Columns of n pairs of visit and ad."""

    request_key: np.ndarray
    """uint64: `AdRequest.seed`."""
    user: Int64
    """Row of the user; -1 for one that the world does not know."""
    ad: Int64
    """Row of the ad in the inventory."""
    similarity: Float32
    """Largest cosine of an intent and the ad; 0 without intents."""
    similarity_mean: Float32
    """Mean cosine weighted by the intents' weights; 0 without intents."""
    recent_share: Float64
    """Share of the recent interests that are the ad's."""
    warmth: Float64
    """How warm the user's last actions are to the ad's interest, in (-1, 1)."""
    hour: Int32
    """UTC."""
    utc_offset: Int32
    """Hours east of Greenwich where the user is."""
    device: Int64
    """Index in DEVICES; one past the end where unknown."""
    ad_age_days: Float64

    def __len__(self) -> int:
        return len(self.ad)

    def __getitem__(self, rows: slice | np.ndarray) -> Self:
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def device_index(names: np.ndarray) -> Int64:
    """Index of each device in DEVICES; one past the end where unknown."""
    index = np.full(len(names), len(DEVICES), np.int64)
    for number, name in enumerate(DEVICES):
        index[names == name] = number
    return index


def of_visits(world: World, ads: Inventory, visits: Visits, wants: Wants, visit: Int64, ad: Int64) -> Context:
    """Pairs of visit rows and ad rows, arrays of equal length."""
    wanted = wants.weight[visit] > 0
    cosine = np.einsum("nkd,nd->nk", wants.intent[visit], ads.vector[ad])
    weight = wants.weight[visit]
    recent = wants.recent[visit]
    return Context(
        request_key=visits.request_key[visit],
        user=visits.user[visit],
        ad=ad,
        similarity=np.where(wanted, cosine, -np.inf).max(axis=1).astype(np.float32),
        similarity_mean=((cosine * weight).sum(axis=1) / weight.sum(axis=1)).astype(np.float32),
        recent_share=(recent == ads.interest[ad][:, None]).sum(axis=1)
        / np.maximum((recent > 0).sum(axis=1), 1),
        warmth=wants.actions.warmth(visit, ads.interest[ad]),
        hour=visits.hour[visit],
        utc_offset=country_offset(world.users.country[visits.user])[visit],
        device=device_index(world.users.device[visits.user])[visit],
        ad_age_days=(visits.time[visit] / MICROS - ads.created_at[ad]) / DAY_S,
    )


def of_request(world: World, ads: Inventory, request: AdRequest, ad_ids: Int64) -> Context:
    """Pairs of one request and some ads, from what stands in the request and who its user is.

    Raises:
        InputError: an ad that is not in the inventory, or intents of another dimension.
    """
    ad = ads.row_of(ad_ids)
    count = len(ad)
    similarity = mean = np.zeros(count, np.float32)
    if request.intents:
        if len(request.intents[0].embedding) != world.dimension:
            found = len(request.intents[0].embedding)
            raise InputError("intents[0].embedding", f"{found} values", f"{world.dimension} values")
        cosine = ads.vector[ad] @ unit(request.intent_matrix()).T
        weight = np.array([intent.weight for intent in request.intents], np.float32)
        similarity = cosine.max(axis=1)
        mean = (cosine @ weight / weight.sum()).astype(np.float32)
    recent = np.asarray(request.recent_interests, np.int64)
    age = request.time.timestamp() - ads.created_at[ad]
    done = action_columns(request.recent_actions, request.time)
    pull = pulls(done["action_type"], done["action_age_s"])
    of_interest = np.where(done["action_interest"] == ads.interest[ad][:, None], pull, 0.0)
    return Context(
        request_key=np.full(count, request.seed, np.uint64),
        user=np.full(count, world.user_row.get(request.user_id, -1), np.int64),
        ad=ad,
        similarity=similarity,
        similarity_mean=mean,
        recent_share=(recent[None, :] == ads.interest[ad][:, None]).sum(axis=1) / max(len(recent), 1),
        warmth=warmth(of_interest),
        hour=np.full(count, request.time.hour, np.int32),
        utc_offset=np.repeat(country_offset(np.array([request.country])), count),
        device=np.repeat(device_index(np.array([request.device])), count),
        ad_age_days=age / DAY_S,
    )
