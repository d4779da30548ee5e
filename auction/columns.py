"""What the kernels read and write: columns of many slates laid end to end, and a policy's numbers."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from auction.slate import Float64, Int8, Int64

UInt64 = npt.NDArray[np.uint64]


class Columns(NamedTuple):
    """Slates end to end: slate n has ads ``ad_start[n]:ad_start[n + 1]``, organic items likewise."""

    seed: UInt64
    positions_since_ad: Int64
    ad_start: Int64
    organic_start: Int64
    ad_id: Int64
    advertiser_id: Int64
    billable: Int8
    bid_micros: Int64
    multiplier: Float64
    p_click: Float64
    p_conversion_given_click: Float64
    p_click_conversion: Float64
    p_save: Float64
    p_hide: Float64
    tolerance: Int8
    relevance: Float64
    organic_utility: Float64
    organic_grade: Int8


class Terms(NamedTuple):
    """A policy as the kernels read it."""

    pricing: int
    first_position: int
    min_gap: int
    max_ads: int
    max_share: float
    ad_last: bool
    one_per_advertiser: bool
    adjacency: bool
    relevance_floor: float
    examination: Float64
    gap_effect: Float64
    """Without trailing 1s."""
    reserve: Int64
    """[3] by billable event."""
    save_micros: float
    click_micros: float
    hide_micros: float
    exchange_rate: float


class Results(NamedTuple):
    """Written by the kernels, ads end to end as in `Columns`."""

    position: Int64
    exposure: Float64
    price_micros: Int64
    setter: Int8
    setter_ad_id: Int64
    reason: Int8
    value_micros: Float64
    """[slates], as the two that follow."""
    organic_value_micros: Float64
    organic_only_value_micros: Float64


class Scratch(NamedTuple):
    """Room for the widest slate, reused from one to the next."""

    bid: Int64
    rate: Float64
    quality: Int64
    worth: Int64
    kind: Int64
    tie: Int64
    best: Int64
    units: Int64
    seen_id: Int64
    """Open-addressing set of ad ids, a power of two above twice the widest slate."""
    seen_at: Int64
