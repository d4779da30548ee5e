"""The plain position auction: slots without organic items, gaps or neighbours, in one pass.

The same answer as the general layout, because without organic items ad j can only stand at position
j: the best feed is the ads of worth >= 0 in score order, and a slot is kept as long as the ad stays
ahead of the first one that would then be seen less.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

import numpy as np

from auction.bid import VALUE_LIMIT, VALUE_ONE, lowest_bid, worth
from auction.columns import Columns, Results, Scratch, Terms, new_scratch
from auction.compiled import kernel, leaf
from auction.grid import EXPOSURE_ONE, ads_allowed, ceil_div, exposure_units
from auction.loss import AD_LOAD, ORGANIC_BEAT_AD, OUTBID, SAME_ADVERTISER
from auction.order import ahead
from auction.pricing import (
    FIRST_PRICE,
    SET_BY_AD,
    SET_BY_ORGANIC,
    SET_BY_OWN_BID,
    SET_BY_RESERVE,
    VCG,
    soften,
)
from auction.score import OK, admit_run
from auction.slate import Int8, Int64
from auction.tie import tie_hash

RUN = np.int64(512)
"""Ads that are weighed together where slates are small: a loop is set up once for all of them."""

FEW = 8
"""Up to so many leading ads, a pass over all ads for each is faster than keeping a list in order."""

LEFT = -1
SHOWN_TOO = -2
IN = -3
"""In the working copy of the worths: out of the running, out because its advertiser is shown, and shown.
Each is below the one before, so that a minimum takes an ad out for good."""

ONE = np.int64(1) << 32
"""Counts ads in the upper half of an integer and adds up their places in the lower one."""


@leaf
def _select_few(
    seed: np.uint64,
    ad_id: Int64,
    advertiser_id: Int64,
    value: Int64,
    best: Int64,
    slots: int,
    left: Int64,
) -> int:
    """`_select_best` by a pass for each place, without branches that depend on the ads.

    Args:
        left: [ads] the worths of those in the running; at the end SHOWN_TOO where the advertiser has one of
            the first `slots` places.
    """
    size = value.shape[0]
    count = 0
    while count < best.shape[0]:
        top = np.int64(LEFT)
        for i in range(size):
            top = max(top, left[i])
        if top < 0:
            break
        alike = np.int64(0)
        for i in range(size):
            alike += ONE + np.int64(i) if left[i] == top else np.int64(0)
        at = alike & (ONE - 1)
        if alike >= 2 * ONE:
            at = np.int64(-1)
            for i in range(size):
                if left[i] == top and (at < 0 or _leads(seed, ad_id, value, i, at)):
                    at = np.int64(i)
        best[count] = at
        count += 1
        if count == best.shape[0]:
            break
        gone = np.int64(SHOWN_TOO) if count <= slots else np.int64(LEFT)
        advertiser = advertiser_id[at]
        for i in range(size):
            left[i] = min(left[i], gone if advertiser_id[i] == advertiser else np.int64(VALUE_LIMIT))
    return count


@leaf
def _select_best(
    seed: np.uint64, ad_id: Int64, advertiser_id: Int64, value: Int64, eligible: Int64, best: Int64
) -> int:
    """Write the best ads of distinct advertisers, worth >= 0, in order to `best`; return how many."""
    room = best.shape[0]
    count = 0
    least = np.int64(0)
    for i in range(value.shape[0]):
        if (value[i] < least) | (eligible[i] < 0):
            continue
        place = count
        while place > 0 and _leads(seed, ad_id, value, i, best[place - 1]):
            place -= 1
        own = -1
        for n in range(count):
            if advertiser_id[best[n]] == advertiser_id[i]:
                own = n
        if own >= 0:
            if own < place:
                continue
            end = own
        elif count < room:
            end = count
            count += 1
        else:
            end = room - 1
            if place > end:
                continue
        for n in range(end, place, -1):
            best[n] = best[n - 1]
        best[place] = i
        if count == room:
            least = value[best[count - 1]]
    return count


@leaf
def _leads(seed: np.uint64, ad_id: Int64, value: Int64, a: int, b: int) -> bool:
    """Score order; the hash is only taken where worths are equal."""
    if value[a] != value[b]:
        return value[a] > value[b]
    return ahead(value[a], tie_hash(seed, ad_id[a]), ad_id[a], value[b], tie_hash(seed, ad_id[b]), ad_id[b])


@leaf
def price_place(
    seed: np.uint64,
    ad_id: Int64,
    value: Int64,
    best: Int64,
    count: int,
    exposure: Int64,
    place: int,
    rule: int,
    bid: int,
    reserve: int,
    rate: float,
    quality: int,
) -> tuple[int, int, int]:
    """Price per event of the ad at `place` (from 0), who set it, and the slate's index of that ad.

    Args:
        best: the leading ads in score order, one more than there are slots where there are so many.
        count: ads in `best`.
        exposure: [slots] units of exposure, not increasing, all above 0.
    """
    if rule == FIRST_PRICE:
        return bid, SET_BY_OWN_BID, -1
    i = best[place]
    slots = exposure.shape[0]
    least = worth(reserve, rate, quality)
    if rule == VCG:
        threshold, setter, ad = _externality(seed, ad_id, value, best, count, exposure, place, least)
    else:
        last = place
        while last + 1 < slots and exposure[last + 1] == exposure[place]:
            last += 1
        threshold, setter, ad = np.int64(0), SET_BY_ORGANIC, -1
        if last + 1 < count:
            ad = best[last + 1]
            setter = SET_BY_AD
            threshold = value[ad]
            if tie_hash(seed, ad_id[ad]) > tie_hash(seed, ad_id[i]):
                threshold += 1
    if threshold <= least:
        return reserve, SET_BY_RESERVE, -1
    return max(reserve, lowest_bid(min(threshold, value[i]), rate, quality, bid)), setter, ad


@leaf
def _externality(
    seed: np.uint64,
    ad_id: Int64,
    value: Int64,
    best: Int64,
    count: int,
    exposure: Int64,
    place: int,
    least: int,
) -> tuple[int, int, int]:
    """What the ads behind would have more of with the ad at worth `least`, per unit of exposure."""
    slots = exposure.shape[0]
    i = best[place]
    loss, gain, setter = np.int64(0), np.int64(0), -1
    own = place
    while own + 1 < count and _above(seed, ad_id, value, best[own + 1], i, least):
        own += 1
        a = best[own]
        now = exposure[own - 1] if own - 1 < slots else np.int64(0)
        then = exposure[own] if own < slots else np.int64(0)
        loss += (now - then) * value[a]
        if (now - then) * value[a] > gain:
            gain, setter = (now - then) * value[a], a
    if own < slots and least >= 0:
        loss += exposure[own] * least
    threshold = min(ceil_div(loss, exposure[place]), value[i])
    return threshold, SET_BY_AD if setter >= 0 else SET_BY_ORGANIC, setter


@leaf
def _above(seed: np.uint64, ad_id: Int64, value: Int64, a: int, i: int, least: int) -> bool:
    """Whether ad a comes before ad i at worth `least`."""
    if value[a] != least:
        return value[a] > least
    return ahead(least, tie_hash(seed, ad_id[a]), ad_id[a], least, tie_hash(seed, ad_id[i]), ad_id[i])


@kernel
def decide_plains(columns: Columns, terms: Terms, results: Results) -> Int64:
    """Decide every slate; returns [code, slate, entry in the slate] of the first one refused.

    For slates without organic items, under rules that let ads fill positions 1, 2, ... side by side:
    first position 1, minimum gap 1, an ad may be last, one ad per advertiser, no gap effect.
    """
    status = np.zeros(3, np.int64)
    scratch = new_scratch(columns, terms, RUN)
    ads = ads_allowed(terms.max_ads, terms.max_share, 0)
    slots = 0
    while slots < min(ads, terms.examination.shape[0]):
        scratch.units[slots] = exposure_units(terms.examination[slots], 1.0)
        if scratch.units[slots] < 1:
            break
        slots += 1
    exposure = scratch.units[:slots]
    first, slates = 0, columns.seed.shape[0]
    while first < slates:
        last, begin = first + 1, columns.ad_start[first]
        while last < slates and columns.ad_start[last + 1] - begin <= RUN:
            last += 1
        code, slate, entry = admit_run(columns, terms, results, scratch, first, last)
        if code != OK:
            status[0], status[1], status[2] = code, slate, entry
            break
        end = columns.ad_start[last]
        _enter(scratch, end - begin)
        for n in range(first, last):
            _decide(columns, terms, results, scratch, n, columns.ad_start[n] - begin, ads, exposure)
        _explain(scratch, ads, results.reason[begin:end])
        first = last
    return status


@leaf
def _decide(
    columns: Columns,
    terms: Terms,
    results: Results,
    scratch: Scratch,
    n: int,
    offset: int,
    ads: int,
    exposure: Int64,
) -> None:
    """Decide slate n, whose ads are in the scratch from `offset` on."""
    start, stop = columns.ad_start[n], columns.ad_start[n + 1]
    size = stop - start
    ad_id, advertiser_id = columns.ad_id[start:stop], columns.advertiser_id[start:stop]
    value, kind = scratch.worth[offset : offset + size], scratch.kind[offset : offset + size]
    left = scratch.tie[offset : offset + size]
    seed = columns.seed[n]
    best = scratch.best[: ads + 1]
    slots = exposure.shape[0]
    if ads < FEW:
        count = _select_few(seed, ad_id, advertiser_id, value, best, slots, left)
    else:
        count = _select_best(seed, ad_id, advertiser_id, value, kind, best)
        _mark_shown(advertiser_id, best[: min(count, slots)], left)
    shown = min(count, slots)
    total = np.int64(0)
    for place in range(shown):
        i = best[place]
        total += exposure[place] * value[i]
        results.position[start + i] = place + 1
        results.exposure[start + i] = exposure[place] / EXPOSURE_ONE
        price, setter, ad = price_place(
            seed,
            ad_id,
            value,
            best,
            count,
            exposure,
            place,
            terms.pricing,
            scratch.bid[offset + i],
            scratch.reserve[offset + i],
            scratch.rate[offset + i],
            scratch.quality[offset + i],
        )
        soft = terms.soft_floor[columns.billable[start + i]]
        price, setter, ad = soften(price, setter, ad, terms.pricing, scratch.bid[offset + i], soft)
        results.price_micros[start + i] = price
        results.setter[start + i] = setter
        results.setter_ad_id[start + i] = ad_id[ad] if ad >= 0 else 0
    results.value_micros[n] = total / (EXPOSURE_ONE * VALUE_ONE)
    results.organic_value_micros[n] = 0.0
    results.organic_only_value_micros[n] = 0.0
    results.exact[n] = 1
    for place in range(shown):
        left[best[place]] = IN


@leaf
def _mark_shown(advertiser_id: Int64, shown: Int64, left: Int64) -> None:
    """Set `left` as `_select_few` leaves it, as far as `_explain` reads it."""
    left[:] = LEFT
    for place in range(shown.shape[0]):
        advertiser = advertiser_id[shown[place]]
        for i in range(left.shape[0]):
            left[i] = np.int64(SHOWN_TOO) if advertiser_id[i] == advertiser else left[i]


@leaf
def _enter(scratch: Scratch, size: int) -> None:
    """Set `left` (in `Scratch.tie`) of a run of ads to their worths, LEFT where not eligible or below 0."""
    value, kind, left = scratch.worth[:size], scratch.kind[:size], scratch.tie[:size]
    for i in range(size):
        left[i] = value[i] if (kind[i] >= 0) & (value[i] >= 0) else np.int64(LEFT)


@leaf
def _explain(scratch: Scratch, ads: int, reason: Int8) -> None:
    """Set the reason of every eligible ad of a run."""
    size = reason.shape[0]
    value, kind, left = scratch.worth[:size], scratch.kind[:size], scratch.tie[:size]
    rest = np.int64(OUTBID) if ads > 0 else np.int64(AD_LOAD)
    low = np.int64(ORGANIC_BEAT_AD) if ads > 0 else np.int64(AD_LOAD)
    for i in range(size):
        code = low if value[i] < 0 else rest
        code = np.int64(SAME_ADVERTISER) if left[i] == SHOWN_TOO else code
        code = np.int64(0) if left[i] == IN else code
        reason[i] = code if kind[i] >= 0 else np.int64(reason[i])
