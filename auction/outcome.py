"""What an auction decided."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from auction.slate import Float64, Int8, Int64


class Setter(IntEnum):
    """Who set a price. Codes are written to the decision log: never renumber, only append."""

    NONE = 0
    """Not shown, so no price."""
    AD = 1
    ORGANIC = 2
    RESERVE = 3
    OWN_BID = 4
    """First price: the bidder's own bid."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Placement, price and reason of every ad of a slate, in the slate's own order."""

    position: Int64
    """1-based position in the feed; 0 where the ad is not shown."""
    exposure: Float64
    """Examination times gap effect of its slot; 0 where not shown."""
    price_micros: Int64
    """Per one billable event; 0 where not shown."""
    setter: Int8
    """`Setter` codes."""
    setter_ad_id: Int64
    """The ad that set the price where `setter` is AD, else 0."""
    reason: Int8
    """`auction.reason.Reason` codes; SHOWN where shown."""
    value_micros: float
    """Total value of the layout (ads and organic items)."""
    organic_value_micros: float
    """The organic items' part of it."""
    organic_only_value_micros: float
    """What the organic items would be worth without any ad: the difference is what ads displace."""
    exact: bool = True
    """False where the search met its limit of work (`auction.settle.WORK_LIMIT`): the layout is feasible
    and the prices hold to reserve and bid, but neither is proved the best."""

    @classmethod
    def empty(cls) -> "Outcome":
        """No ads, and no value known."""
        ids, codes = np.zeros(0, np.int64), np.zeros(0, np.int8)
        return cls(ids, np.zeros(0), ids, codes, ids, codes, 0.0, 0.0, 0.0)
