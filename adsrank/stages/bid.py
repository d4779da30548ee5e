"""Bring the candidates to the auction: what each is worth, and whether its budget can promise that."""

import numpy as np

from adsrank.features.columns import usable_intents
from adsrank.passage import Passage
from auction.billable import Billable
from auction.reason import Reason
from auction.slate import Slate


class Bid:
    name = "bid"

    def enabled(self, passage: Passage) -> bool:
        return True

    def run(self, passage: Passage) -> None:
        self._afford(passage)
        candidates, snapshot, request = passage.candidates, passage.release.snapshot, passage.request
        row = candidates.row
        none = np.zeros(0)
        column = candidates.columns.get
        passage.slate = Slate(
            seed=request.seed,
            ad_id=snapshot.ad_id[row],
            advertiser_id=snapshot.advertiser_id[row],
            campaign_id=snapshot.campaign_id[row],
            billable=snapshot.billable[row],
            bid_micros=snapshot.bid_micros[row],
            multiplier=column("multiplier", none),
            p_click=column("p_click", none),
            p_conversion_given_click=column("p_conversion_given_click", none),
            p_click_conversion=column("p_click_conversion", none),
            p_save=column("p_save", none),
            p_hide=column("p_hide", none),
            tolerance=snapshot.tolerance[row],
            relevance=_relevance(passage),
            organic_utility=np.array([item.utility for item in request.organic], np.float64),
            organic_grade=np.array([item.grade for item in request.organic], np.int8),
            positions_since_ad=request.positions_since_ad,
        )

    def _afford(self, passage: Passage) -> None:
        """Drop ads whose expected charge, at a full look and at their bid, is more than is left."""
        candidates, snapshot = passage.candidates, passage.release.snapshot
        if not len(candidates):
            return
        billable = snapshot.billable[candidates.row]
        p_event = np.select(
            [billable == Billable.IMPRESSION, billable == Billable.CLICK],
            [1.0, candidates["p_click"]],
            candidates["p_click_conversion"],
        )
        most = snapshot.bid_micros[candidates.row] * (candidates["multiplier"] * p_event)
        candidates.keep(~(most > candidates["available_micros"]), Reason.BUDGET, self.name)


def _relevance(passage: Passage) -> np.ndarray:
    """Cosine of the ad and the nearest intent; 1 where a vector is missing, which no floor can judge."""
    candidates, request = passage.candidates, passage.request
    if not len(candidates):
        return np.zeros(0)
    comparable = passage.release.snapshot.embedded[candidates.row] & bool(usable_intents(request))
    return np.where(comparable, candidates["similarity"].astype(np.float64), 1.0)
