"""The columns of one auction, as they are decided on and as they are logged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slate:
    """Ads and organic items of one request: all that the auction looks at beside the policy.

    Ads are columns of length n, organic items columns of length k in the order the mixer wants.
    Probabilities are calibrated and given that the item is examined: the examination of a
    position is the policy's and enters once, in the slot's exposure.
    """

    seed: int
    """Unsigned 64 bits, from the request id; with the ad id it orders equal scores."""

    ad_id: Int64
    advertiser_id: Int64
    campaign_id: Int64
    billable: Int8
    """`auction.billable.Billable` codes."""
    bid_micros: Int64
    """Per one billable event (a CPM bid divided by 1,000 already)."""
    multiplier: Float64
    """Pacing multiplier in (0, 1], applied to the bid once."""
    p_click: Float64
    p_conversion_given_click: Float64
    p_click_conversion: Float64
    p_save: Float64
    p_hide: Float64
    tolerance: Int8
    """Riskiest `Grade` of a neighbour that the ad accepts."""
    relevance: Float64
    """Bid-independent relevance, compared with the policy's floor."""

    organic_utility: Float64
    """In the organic ranker's own scale; the policy's exchange rate turns it into micros."""
    organic_grade: Int8

    positions_since_ad: int = -1
    """Organic positions since the last ad of the page before; -1 where there was none."""

    @classmethod
    def organic(cls, seed: int, utility: Float64, grade: Int8, positions_since_ad: int = -1) -> "Slate":
        """The slate of a request without ads: utility and grade are columns of length k."""
        none, ids, codes = np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int8)
        return cls(
            seed=seed,
            ad_id=ids,
            advertiser_id=ids,
            campaign_id=ids,
            billable=codes,
            bid_micros=ids,
            multiplier=none,
            p_click=none,
            p_conversion_given_click=none,
            p_click_conversion=none,
            p_save=none,
            p_hide=none,
            tolerance=codes,
            relevance=none,
            organic_utility=utility,
            organic_grade=grade,
            positions_since_ad=positions_since_ad,
        )
