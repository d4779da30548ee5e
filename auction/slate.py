"""The columns of one auction, as they are decided on and as they are logged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]

AD_COLUMNS: dict[str, type[np.generic]] = {
    "ad_id": np.int64,
    "advertiser_id": np.int64,
    "campaign_id": np.int64,
    "category_id": np.int64,
    "billable": np.int8,
    "goal": np.int8,
    "bid_micros": np.int64,
    "reserve_micros": np.int64,
    "multiplier": np.float64,
    "p_click": np.float64,
    "p_conversion_given_click": np.float64,
    "p_click_conversion": np.float64,
    "p_view": np.float64,
    "p_save": np.float64,
    "p_hide": np.float64,
    "tolerance": np.int8,
    "relevance": np.float64,
}
"""A slate's columns of one value per ad, under the names and types they are decided on and logged by."""

ORGANIC_COLUMNS: dict[str, type[np.generic]] = {"organic_utility": np.float64, "organic_grade": np.int8}

POSITION_COLUMNS: dict[str, type[np.generic]] = {"hold": np.int8}


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
    """`auction.billable.Billable` codes: the event that is charged."""
    bid_micros: Int64
    """Per one event of `goal` (a CPM bid divided by 1,000 already)."""
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
    """Positions since the last ad of the page before, modules counted; -1 where there was none."""

    goal: Int8 | None = None
    """`Billable` code of the event that `bid_micros` is for, such as the conversion of a target cost that
    is charged by the click; None: the billable event itself."""
    p_view: Float64 | None = None
    """Of a video view; None: 0."""
    category_id: Int64 | None = None
    """What `one_per_category` separates; 0 (and None) is no category, and meets no other."""
    reserve_micros: Int64 | None = None
    """Reserve of the ad's own segment, per billable event; the policy's binds where it is higher."""
    hold: Int8 | None = None
    """`auction.hold.Hold` codes of positions 1, 2, ..., as far as the mixer has something to say."""

    @classmethod
    def organic(
        cls,
        seed: int,
        utility: Float64,
        grade: Int8,
        positions_since_ad: int = -1,
        hold: Int8 | None = None,
    ) -> "Slate":
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
            hold=hold,
        )
