"""The ads that compete in one feed, ranked by tolerance class, with some of them taken out for a trial.

An advertiser or a category that may show one ad and would show several is `critical` once the search has
found it so: its ads leave the classes' lists and become `special`, each with a bit mask of what it uses
up, so that the layout's state can know (the state space relaxation of Righini and Salani 2008).
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.compiled import kernel, leaf
from auction.order import ahead, rank_ads
from auction.slate import Int64

# A literal argument would compile its callee once per literal: hence the typed integers.
NO_PROBE = np.int64(-1)

CRITICAL_LIMIT = 12
"""Most critical advertisers and categories of one feed: each may double the layout's states."""

SPECIAL_LIMIT = 96
"""Most ads of critical advertisers and categories that a search looks at."""

ADVERTISER, CATEGORY = 0, 1


class Market(NamedTuple):
    """Eligible ads in score order, by tolerance class. Indices are those of the slate."""

    worth: Int64
    """[ads of the slate]: units of worth per full look."""
    tie: Int64
    ad_id: Int64
    advertiser_id: Int64
    category_id: Int64
    kind: Int64
    """[ads of the slate]: tolerance class, -1 where not eligible."""
    ranked: Int64
    """Eligible ads, class by class, best first."""
    start: Int64
    """[classes + 1]: where each class begins in `ranked`."""
    one_per_advertiser: bool
    one_per_category: bool
    list_ad: Int64
    """[2, classes, ads of the feed]: lists of the base market and of the trial at hand."""
    list_worth: Int64
    list_tie: Int64
    length: Int64
    """[2, classes]"""
    critical: Int64
    """[CRITICAL_LIMIT + 1, 2]: ADVERTISER or CATEGORY, and its id; the last row holds how many there are,
    and 1 where there is no room for more."""
    uses: Int64
    """[ads of the slate]: bits of what is critical and the ad uses up; 0 for most."""
    special_ad: Int64
    """[2, SPECIAL_LIMIT]: special ads of the base market and of the trial at hand."""
    special_worth: Int64
    special_count: Int64
    """[2]"""


@kernel
def new_market(
    worth: Int64,
    tie: Int64,
    ad_id: Int64,
    advertiser_id: Int64,
    category_id: Int64,
    kind: Int64,
    classes: int,
    one_per_advertiser: bool,
    one_per_category: bool,
    ads: int,
) -> Market:
    """Rank the eligible ads (`kind` >= 0) of each class."""
    start = np.zeros(classes + 1, np.int64)
    for i in range(kind.shape[0]):
        if kind[i] >= 0:
            start[kind[i] + 1] += 1
    for k in range(classes):
        start[k + 1] += start[k]
    ranked = np.empty(start[classes], np.int64)
    fill = start.copy()
    for i in range(kind.shape[0]):
        if kind[i] >= 0:
            ranked[fill[kind[i]]] = i
            fill[kind[i]] += 1
    for k in range(classes):
        rank_ads(ranked[start[k] : start[k + 1]], worth, tie, ad_id)
    size = (2, classes, max(ads, 1))
    return Market(
        worth,
        tie,
        ad_id,
        advertiser_id,
        category_id,
        kind,
        ranked,
        start,
        one_per_advertiser,
        one_per_category,
        np.full(size, -1, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros((2, classes), np.int64),
        np.zeros((CRITICAL_LIMIT + 1, 2), np.int64),
        np.zeros(kind.shape[0], np.int64),
        np.zeros((2, SPECIAL_LIMIT), np.int64),
        np.zeros((2, SPECIAL_LIMIT), np.int64),
        np.zeros(2, np.int64),
    )


@leaf
def is_limited(market: Market) -> bool:
    """Whether any rule keeps two ads from sharing the feed."""
    return market.one_per_advertiser or market.one_per_category


@leaf
def make_critical(market: Market, a: int, b: int) -> bool:
    """Make critical what ads a and b share and may not; False where there is no room for more."""
    count = market.critical[CRITICAL_LIMIT, 0]
    if count >= CRITICAL_LIMIT or market.critical[CRITICAL_LIMIT, 1] == 1:
        return False
    shared = market.one_per_advertiser and market.advertiser_id[a] == market.advertiser_id[b]
    kind = ADVERTISER if shared else CATEGORY
    name = market.advertiser_id[a] if shared else market.category_id[a]
    for c in range(count):
        if market.critical[c, 0] == kind and market.critical[c, 1] == name:
            return True
    market.critical[count, 0], market.critical[count, 1] = kind, name
    market.critical[CRITICAL_LIMIT, 0] = count + 1
    for i in range(market.kind.shape[0]):
        if (market.advertiser_id[i] if shared else market.category_id[i]) == name:
            market.uses[i] |= 1 << count
    return True


@leaf
def drop_critical(market: Market) -> None:
    """Make the last critical one critical no more, and let no other become so."""
    count = market.critical[CRITICAL_LIMIT, 0] - 1
    market.critical[CRITICAL_LIMIT, 0], market.critical[CRITICAL_LIMIT, 1] = count, 1
    for i in range(market.uses.shape[0]):
        market.uses[i] &= (1 << count) - 1


@leaf
def same_group(market: Market, a: int, b: int) -> bool:
    """Whether the lists of a class keep only the better one of ads a and b: of one category where only one
    may be shown, else of one advertiser."""
    if market.one_per_category and (market.category_id[a] != 0 or market.category_id[b] != 0):
        return market.category_id[a] == market.category_id[b]
    return market.one_per_advertiser and market.advertiser_id[a] == market.advertiser_id[b]


@leaf
def clash(market: Market, a: int, b: int) -> bool:
    """Whether no feed may show both ads a and b."""
    if market.one_per_advertiser and market.advertiser_id[a] == market.advertiser_id[b]:
        return True
    return (
        market.one_per_category
        and market.category_id[a] != 0
        and market.category_id[a] == market.category_id[b]
    )


@leaf
def barred(market: Market, i: int, k: int, bars: Int64, first: int, count: int) -> bool:
    """Whether ad i of class k is out, by a bar on all of (advertiser of ad x, group of ad y, class)."""
    for n in range(first, count):
        x, y = bars[n, 0], bars[n, 1]
        if (
            (x < 0 or market.advertiser_id[i] == market.advertiser_id[x])
            and (y < 0 or i == y or same_group(market, i, y))
            and (bars[n, 2] < 0 or bars[n, 2] == k)
        ):
            return True
    return False


@leaf
def list_ads(
    market: Market, side: int, ads: int, bars: Int64, count: int, probe: int, probe_worth: int
) -> bool:
    """Write the best `ads` of every class to lists[side], and the special ads; False where not all fit.

    Args:
        bars: [count, 3] ad of an advertiser, ad of a group, class; -1 is any.
        probe: the ad on trial, -1 for none; it is in the market at `probe_worth`.
    """
    grouped = is_limited(market)
    some_critical = market.critical[CRITICAL_LIMIT, 0] > 0
    market.special_count[side] = 0
    complete = True
    for k in range(market.start.shape[0] - 2, -1, -1):
        n = 0
        # The first bar of a trial is on the probe's own advertiser.
        waiting = probe >= 0 and market.kind[probe] == k
        waiting = waiting and not barred(market, probe, k, bars, 1, count)
        r = market.start[k]
        while (n < ads or some_critical) and (waiting or r < market.start[k + 1]):
            take_probe = waiting
            if r < market.start[k + 1]:
                i = market.ranked[r]
                if i == probe or barred(market, i, k, bars, 0, count):
                    r += 1
                    continue
                if waiting:
                    take_probe = ahead(
                        probe_worth,
                        market.tie[probe],
                        market.ad_id[probe],
                        market.worth[i],
                        market.tie[i],
                        market.ad_id[i],
                    )
            if take_probe:
                i = probe
                waiting = False
            else:
                i = market.ranked[r]
                r += 1
            w = probe_worth if take_probe else market.worth[i]
            if market.uses[i] != 0:
                complete = _list_special(market, side, i, w) and complete
                continue
            if n == ads or (grouped and _outdone(market, side, k, n, i, w)):
                continue
            market.list_ad[side, k, n] = i
            market.list_worth[side, k, n] = w
            market.list_tie[side, k, n] = market.tie[i]
            n += 1
        market.length[side, k] = n
    _cut_dominated(market, side, ads)
    if some_critical:
        _cut_specials(market, side, ads)
    return complete


@leaf
def _list_special(market: Market, side: int, i: int, w: int) -> bool:
    """List special ad i, unless a better one, as tolerant, uses up the same; False where there is no room.

    Called from the most tolerant class down, best ad first.
    """
    count = market.special_count[side]
    for s in range(count):
        a = market.special_ad[side, s]
        if market.uses[a] == market.uses[i] and ahead(
            market.special_worth[side, s], market.tie[a], market.ad_id[a], w, market.tie[i], market.ad_id[i]
        ):
            return True
    if count == SPECIAL_LIMIT:
        return False
    market.special_ad[side, count] = i
    market.special_worth[side, count] = w
    market.special_count[side] = count + 1
    return True


@leaf
def _cut_specials(market: Market, side: int, ads: int) -> None:
    """Drop the special ads that can never be shown: as many as the feed takes are better and as tolerant."""
    kept = 0
    for s in range(market.special_count[side]):
        i, w = market.special_ad[side, s], market.special_worth[side, s]
        better = 0
        for k in range(market.kind[i], market.start.shape[0] - 1):
            for r in range(market.length[side, k]):
                a = market.list_ad[side, k, r]
                worth = market.list_worth[side, k, r]
                if not ahead(worth, market.tie[a], market.ad_id[a], w, market.tie[i], market.ad_id[i]):
                    break
                better += 1
        if better < ads:
            market.special_ad[side, kept], market.special_worth[side, kept] = i, w
            kept += 1
    market.special_count[side] = kept


@leaf
def _cut_dominated(market: Market, side: int, ads: int) -> None:
    """Drop the ads that can never be shown: as many as the feed takes are better and as tolerant."""
    for k in range(market.start.shape[0] - 2, -1, -1):
        n = market.length[side, k]
        while n > 0:
            better = n - 1
            i = market.list_ad[side, k, n - 1]
            for m in range(k + 1, market.start.shape[0] - 1):
                for r in range(market.length[side, m]):
                    a = market.list_ad[side, m, r]
                    if not ahead(
                        market.list_worth[side, m, r],
                        market.tie[a],
                        market.ad_id[a],
                        market.list_worth[side, k, n - 1],
                        market.tie[i],
                        market.ad_id[i],
                    ):
                        break
                    better += 1
            if better < ads:
                break
            n -= 1
        market.length[side, k] = n


@leaf
def _outdone(market: Market, side: int, k: int, n: int, i: int, w: int) -> bool:
    """Whether a better ad of its group, as tolerant as ad i, is listed: ad i at worth w is never needed."""
    for m in range(k, market.start.shape[0] - 1):
        for r in range(n if m == k else market.length[side, m]):
            a = market.list_ad[side, m, r]
            if same_group(market, a, i) and ahead(
                market.list_worth[side, m, r],
                market.tie[a],
                market.ad_id[a],
                w,
                market.tie[i],
                market.ad_id[i],
            ):
                return True
    return False
