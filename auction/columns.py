"""What the kernels read and write: columns of many slates laid end to end, and a policy's numbers."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from auction.compiled import kernel
from auction.slate import Float64, Int8, Int64

UInt64 = npt.NDArray[np.uint64]


class Columns(NamedTuple):
    """Slates end to end: slate n has ads ``ad_start[n]:ad_start[n + 1]``, organic items likewise."""

    seed: UInt64
    positions_since_ad: Int64
    ad_start: Int64
    organic_start: Int64
    hold_start: Int64
    ad_id: Int64
    advertiser_id: Int64
    category_id: Int64
    billable: Int8
    goal: Int8
    bid_micros: Int64
    reserve_micros: Int64
    multiplier: Float64
    p_click: Float64
    p_conversion_given_click: Float64
    p_click_conversion: Float64
    p_view: Float64
    p_save: Float64
    p_hide: Float64
    tolerance: Int8
    relevance: Float64
    organic_utility: Float64
    organic_grade: Int8
    hold: Int8


class Terms(NamedTuple):
    """A policy as the kernels read it."""

    pricing: int
    first_position: int
    min_gap: int
    wanted_gap: int
    """Not below `min_gap`."""
    max_ads: int
    max_share: float
    max_share_of_safe: float
    """Negative where there is no such rule."""
    min_organics: int
    ad_last: bool
    one_per_advertiser: bool
    one_per_category: bool
    adjacency: bool
    relevance_floor: float
    examination: Float64
    gap_effect: Float64
    """Without trailing 1s."""
    reserve: Int64
    """[4] by billable event."""
    soft_floor: Int64
    """[4] likewise; 0 where there is none."""
    squash: float
    """Exponent of a probability in the score."""
    squash_reference: Float64
    """[4] by billable event: the probability that squashing leaves as it is."""
    save_micros: float
    click_micros: float
    hide_micros: float
    exchange_rate: float
    branches: int
    """Branches of one search of the layout before what clashes becomes part of its state: of cost only."""


class Results(NamedTuple):
    """Written by the kernels from first to last, ads end to end as in `Columns`."""

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
    exact: Int8
    """0 where the layout's search was cut short at its limit of work."""


class Scratch(NamedTuple):
    """Room for the widest slate, or the widest run of slates, reused from one to the next."""

    paced: Float64
    """Bid times multiplier, per billable event."""
    bid: Int64
    """Effective, per billable event."""
    reserve: Int64
    """Per billable event."""
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


@kernel
def new_scratch(columns: Columns, terms: Terms, run: int) -> Scratch:
    """Room for every slate, and for runs of up to `run` ads."""
    widest = np.int64(0)
    for n in range(columns.seed.shape[0]):
        widest = max(widest, columns.ad_start[n + 1] - columns.ad_start[n])
    room = max(widest, min(run, columns.ad_id.shape[0]))
    table = 1
    while table <= 2 * widest + 1:
        table *= 2
    return Scratch(
        np.empty(room, np.float64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.float64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.zeros(terms.max_ads + 1, np.int64),
        np.zeros(terms.max_ads + 1, np.int64),
        np.empty(table, np.int64),
        np.zeros(table, np.int64),
    )
