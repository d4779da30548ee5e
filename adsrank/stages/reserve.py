"""Hold the expected charge of every placed ad, and note the impression against frequency caps."""

from dataclasses import dataclass

import numpy as np

from adsrank.decision import PlacedAd
from adsrank.passage import Passage
from adsrank.request import Surface
from auction.billable import Billable
from auction.budget import Budgets
from auction.frequency import FrequencyCounter
from auction.outcome import Setter
from auction.reservation import expected_charge

WHY = {
    Surface.HOME: "close to what you looked at lately",
    Surface.RELATED: "close to the pin you opened",
    Surface.SEARCH: "close to what you searched for",
}


@dataclass(slots=True)
class Reserve:
    budgets: Budgets
    frequency: FrequencyCounter
    hold_seconds: float
    name: str = "reserve"

    def enabled(self, passage: Passage) -> bool:
        return passage.outcome is not None and bool(passage.outcome.position.any())

    def run(self, passage: Passage) -> None:
        expires_at = passage.now + self.hold_seconds
        for ad in place(passage):
            self.budgets.reserve(
                ad.placement_id, ad.campaign_id, ad.expected_charge_micros, passage.now, expires_at
            )
            passage.placed.append(ad)
        for ad in passage.placed:
            self.frequency.note(passage.request.user_id, ad.campaign_id, passage.now, once=ad.placement_id)


def place(passage: Passage) -> list[PlacedAd]:
    """The ads of the outcome as the answer carries them, in feed order."""
    slate, outcome, snapshot, request = (
        passage.slate,
        passage.outcome,
        passage.release.snapshot,
        passage.request,
    )
    assert slate is not None
    assert outcome is not None
    placed = []
    for entry in np.flatnonzero(outcome.position)[np.argsort(outcome.position[outcome.position > 0])]:
        row = int(passage.candidates.row[entry])
        billable = Billable(int(slate.billable[entry]))
        p_event = {
            Billable.IMPRESSION: 1.0,
            Billable.CLICK: float(slate.p_click[entry]),
            Billable.CONVERSION: float(slate.p_click_conversion[entry]),
        }[billable]
        price = int(outcome.price_micros[entry])
        exposure = float(outcome.exposure[entry])
        ad_id = int(slate.ad_id[entry])
        match = passage.candidates["interest_match"][entry]
        placed.append(
            PlacedAd(
                placement_id=f"{request.request_id}/{ad_id}",
                ad_id=ad_id,
                ad_group_id=int(snapshot.ad_group_id[row]),
                campaign_id=int(slate.campaign_id[entry]),
                advertiser_id=int(slate.advertiser_id[entry]),
                position=int(outcome.position[entry]),
                exposure=exposure,
                billable=billable,
                price_micros=price,
                expected_charge_micros=expected_charge(price, exposure * p_event),
                setter=Setter(int(outcome.setter[entry])),
                setter_ad_id=int(outcome.setter_ad_id[entry]),
                title=str(snapshot.title[row]),
                destination_url=str(snapshot.destination_url[row]),
                why="matches an interest of yours" if match else WHY[request.surface],
            )
        )
    return placed
