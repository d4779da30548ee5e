"""Why an eligible ad is not shown, by rules that are sound for the layout that won.

In this order: a sibling, then an ad of its category is shown; alone it would not beat the organic items;
no slot where it would beat them tolerates it; it would replace a shown ad of less worth but for the
neighbours; the feed is full; what is left could only be added where gaps or their cost leave nothing.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-any-return,type-var"
# In a kernel `int` and `np.int64` are one type, which mypy cannot know.

from auction.compiled import leaf
from auction.grid import Grid, slots_at_most
from auction.market import Market, clash
from auction.order import ahead
from auction.rows import SHOWN, Rows
from auction.slate import Int8, Int64

OUTBID = 1
ORGANIC_BEAT_AD = 3
SAME_ADVERTISER = 7
ADJACENCY = 8
SPACING = 9
AD_LOAD = 10
SAME_CATEGORY = 23


@leaf
def explain(grid: Grid, market: Market, rows: Rows, alone: Int64, reason: Int8) -> None:
    """Set the reason of every eligible ad that is not shown.

    Args:
        alone: [classes + 1] least worth that beats the organic items alone, by tolerance class; the
            last entry is for an ad that minds no neighbour.
        reason: [ads of the slate], 0 where not known yet; written in place.
    """
    full = slots_at_most(grid)
    shown = rows.count[SHOWN]
    for i in range(market.kind.shape[0]):
        if market.kind[i] < 0:
            continue
        out, sibling, rival, lesser = True, False, False, False
        for n in range(shown):
            a = rows.ad[SHOWN, n]
            out = out and a != i
            sibling = sibling or market.advertiser_id[a] == market.advertiser_id[i]
            rival = rival or clash(market, a, i)
            lesser = lesser or ahead(
                market.worth[i],
                market.tie[i],
                market.ad_id[i],
                market.worth[a],
                market.tie[a],
                market.ad_id[a],
            )
        if not out:
            continue
        if sibling and market.one_per_advertiser:
            reason[i] = SAME_ADVERTISER
        elif rival:
            reason[i] = SAME_CATEGORY
        elif grid.ads == 0:
            reason[i] = AD_LOAD
        elif full == 0:
            reason[i] = SPACING
        elif market.worth[i] < alone[alone.shape[0] - 1]:
            reason[i] = ORGANIC_BEAT_AD
        elif market.worth[i] < alone[market.kind[i]] or lesser:
            reason[i] = ADJACENCY
        elif shown == full:
            reason[i] = OUTBID
        else:
            reason[i] = SPACING
