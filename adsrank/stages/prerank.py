"""Cut to what the heavy model can score: a small booster's estimate times the bid."""

from dataclasses import dataclass

import numpy as np

from adsrank.features.candidate import candidate_columns
from adsrank.passage import Passage
from adsrank.stage import strongest
from auction.billable import event_probability
from auction.reason import Reason


@dataclass(slots=True)
class Prerank:
    rank: int
    """How many candidates the heavy model scores."""
    name: str = "prerank"

    def enabled(self, passage: Passage) -> bool:
        return len(passage.candidates) > self.rank

    def run(self, passage: Passage) -> None:
        candidates, release = passage.candidates, passage.release
        snapshot, bundle = release.snapshot, release.bundle
        batch = bundle.prepare(candidate_columns(passage.request, passage.asked, snapshot, candidates))
        p_click = bundle.prerank(batch)
        goal = snapshot.goal[candidates.row]
        # The booster knows clicks only; a conversion's part is the average of the log.
        p_goal = event_probability(goal, p_click, p_click * bundle.conversion_rate)
        value = snapshot.bid_micros[candidates.row] * (candidates["multiplier"] * p_goal)
        kept = strongest(value, self.rank)
        candidates.keep(kept, Reason.PRERANK, self.name)
        passage.features = batch.take(np.flatnonzero(kept))
