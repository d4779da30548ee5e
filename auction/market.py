"""The ads that compete in one feed, ranked by tolerance class, with some of them taken out for a trial."""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from typing import NamedTuple

import numpy as np

from auction.compiled import kernel, leaf
from auction.order import ahead, rank_ads
from auction.slate import Int64

# A literal argument would compile its callee once per literal: hence the typed integers.
NO_PROBE = np.int64(-1)
OUT = np.int64(0)
BACK = np.int64(1)


class Market(NamedTuple):
    """Eligible ads in score order, by tolerance class. Indices are those of the slate."""

    worth: Int64
    """[ads of the slate]: units of worth per full look."""
    tie: Int64
    ad_id: Int64
    advertiser_id: Int64
    kind: Int64
    """[ads of the slate]: tolerance class, -1 where not eligible."""
    ranked: Int64
    """Eligible ads, class by class, best first."""
    start: Int64
    """[classes + 1]: where each class begins in `ranked`."""
    one_per_advertiser: bool
    list_ad: Int64
    """[2, classes, ads of the feed]: lists of the base market and of the trial at hand."""
    list_worth: Int64
    list_tie: Int64
    length: Int64
    """[2, classes]"""


@kernel
def new_market(
    worth: Int64,
    tie: Int64,
    ad_id: Int64,
    advertiser_id: Int64,
    kind: Int64,
    classes: int,
    one_per_advertiser: bool,
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
        kind,
        ranked,
        start,
        one_per_advertiser,
        np.full(size, -1, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros((2, classes), np.int64),
    )


@leaf
def barred(market: Market, i: int, k: int, bars: Int64, count: int) -> bool:
    for n in range(count):
        if market.advertiser_id[i] == bars[n, 0] and (bars[n, 1] == k or bars[n, 1] < 0):
            return True
    return False


@leaf
def list_ads(
    market: Market, side: int, ads: int, bars: Int64, count: int, probe: int, probe_worth: int, back: int
) -> None:
    """Write the best `ads` of every class to lists[side].

    Args:
        bars: [count, 2] advertiser and class (-1: any) that are out.
        probe: the ad on trial, -1 for none; it is OUT, or BACK in at `probe_worth`.
    """
    for k in range(market.start.shape[0] - 2, -1, -1):
        n = 0
        waiting = back == BACK and probe >= 0 and market.kind[probe] == k
        r = market.start[k]
        while n < ads and (waiting or r < market.start[k + 1]):
            take_probe = waiting
            if r < market.start[k + 1]:
                i = market.ranked[r]
                if i == probe or barred(market, i, k, bars, count):
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
                if market.one_per_advertiser and _outdone(market, side, k, n, i):
                    continue
            market.list_ad[side, k, n] = i
            market.list_worth[side, k, n] = probe_worth if take_probe else market.worth[i]
            market.list_tie[side, k, n] = market.tie[i]
            n += 1
        market.length[side, k] = n
    _cut_dominated(market, side, ads)


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
def _outdone(market: Market, side: int, k: int, n: int, i: int) -> bool:
    """Whether a better ad of its advertiser, as tolerant as ad i, is listed: ad i is never needed."""
    for m in range(k, market.start.shape[0] - 1):
        for r in range(n if m == k else market.length[side, m]):
            a = market.list_ad[side, m, r]
            if market.advertiser_id[a] == market.advertiser_id[i] and ahead(
                market.worth[a],
                market.tie[a],
                market.ad_id[a],
                market.worth[i],
                market.tie[i],
                market.ad_id[i],
            ):
                return True
    return False
