"""Turn raw probabilities into ones that can be trusted with money."""

from adsrank.passage import Passage


class Calibrate:
    name = "calibrate"

    def enabled(self, passage: Passage) -> bool:
        return len(passage.candidates) > 0

    def run(self, passage: Passage) -> None:
        candidates = passage.candidates
        raw = {
            name.removeprefix("raw_"): values
            for name, values in candidates.columns.items()
            if name.startswith("raw_")
        }
        for name, probability in passage.release.bundle.calibrate(raw).items():
            candidates[name] = probability
