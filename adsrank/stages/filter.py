"""Drop ads that may not be shown now: no budget left to promise, or seen often enough."""

from dataclasses import dataclass

import numpy as np

from adsrank.passage import Passage
from auction.budget import Budgets
from auction.frequency import FrequencyCounter
from auction.reason import Reason


@dataclass(slots=True)
class Filter:
    budgets: Budgets
    frequency: FrequencyCounter
    name: str = "filter"

    def enabled(self, passage: Passage) -> bool:
        return len(passage.candidates) > 0

    def run(self, passage: Passage) -> None:
        candidates, snapshot = passage.candidates, passage.release.snapshot
        # Asked once a campaign, not once an ad.
        campaign, place = np.unique(snapshot.campaign_id[candidates.row], return_inverse=True)
        candidates["available_micros"] = self.budgets.available(campaign, passage.now)[place]
        candidates["multiplier"] = self.budgets.multiplier(campaign, passage.now)[place]
        user, caps = passage.request.user_id, snapshot.frequency_caps(campaign)
        candidates["capped"] = self.frequency.exceeded(user, campaign, caps, passage.now)[place]
        candidates.keep(candidates["available_micros"] > 0, Reason.BUDGET, self.name)
        candidates.keep(~candidates["capped"], Reason.FREQUENCY_CAP, self.name)
