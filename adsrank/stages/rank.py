"""Score every head of the multi-task model: raw probabilities, given that the ad is examined."""

from adsrank.features.candidate import candidate_columns
from adsrank.passage import Passage


class Rank:
    name = "rank"

    def enabled(self, passage: Passage) -> bool:
        return len(passage.candidates) > 0

    def run(self, passage: Passage) -> None:
        candidates, release = passage.candidates, passage.release
        if passage.features is None:
            passage.features = release.bundle.prepare(
                candidate_columns(passage.request, passage.asked, release.snapshot, candidates)
            )
        for head, probability in release.bundle.score(passage.features).items():
            candidates[f"raw_{head}"] = probability
