"""Bring the candidates to the auction: what each is worth, and whether its budget can promise that."""

import numpy as np

from adsrank.catalog.snapshot import Snapshot
from adsrank.features.columns import usable_intents
from adsrank.passage import Passage
from auction.billable import event_probability
from auction.reason import Reason
from auction.slate import Int64, Slate


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
            category_id=category_of(snapshot, row),
            billable=snapshot.billable[row],
            goal=snapshot.goal[row],
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
            hold=request.hold(passage.policy.rules.max_ads),
        )

    def _afford(self, passage: Passage) -> None:
        """Drop ads whose expected charge, at a full look and at their bid, is more than is left.

        A target per goal event is charged by the billable one at the odds of the two, so what a look can
        cost is the bid times the chance of the goal, whichever event is billed.
        """
        candidates, snapshot = passage.candidates, passage.release.snapshot
        if not len(candidates):
            return
        goal = snapshot.goal[candidates.row]
        p_goal = event_probability(goal, candidates["p_click"], candidates["p_click_conversion"])
        most = snapshot.bid_micros[candidates.row] * (candidates["multiplier"] * p_goal)
        candidates.keep(~(most > candidates["available_micros"]), Reason.BUDGET, self.name)


def category_of(snapshot: Snapshot, row: np.ndarray) -> Int64:
    """What `one_per_category` separates: the main interest of each ad, int64; 0 is none.

    A leaf such as shoes, not the topic above it: the candidates of a related or search page mostly share
    the topic, and separated by it they would leave the page one ad.
    """
    category: Int64 = snapshot.interest[row].astype(np.int64)
    return category


def _relevance(passage: Passage) -> np.ndarray:
    """Cosine of the ad and the nearest intent; 1 where a vector is missing, which no floor can judge."""
    candidates, request = passage.candidates, passage.request
    if not len(candidates):
        return np.zeros(0)
    comparable = passage.release.snapshot.embedded[candidates.row] & bool(usable_intents(request))
    return np.where(comparable, candidates["similarity"].astype(np.float64), 1.0)
