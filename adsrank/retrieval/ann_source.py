"""Ads near what the user wants now: one search for all intents."""

import math
from dataclasses import dataclass

from adsrank.catalog.snapshot import Snapshot
from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.index import AdIndex
from adsrank.retrieval.signals import Signals
from adsrank.retrieval.source import Hits, SourceCode, quotas

DEPTH = 1.25
"""Lists are that much longer than their quota: intents find the same ads, and the rest fills the gap."""


@dataclass(frozen=True, slots=True)
class AnnSource:
    """Nearest ads of each intent, in proportion to the intents' weights.

    `floor` of the budget is shared equally, so that a light intent is heard too.
    """

    index: AdIndex
    share: float = 0.8
    floor: float = 0.25
    name: str = "embedding"
    code: SourceCode = SourceCode.EMBEDDING

    def retrieve(self, signals: Signals, snapshot: Snapshot, allowed: Bits, k: int) -> list[Hits]:
        """See `Source.retrieve`."""
        if not len(signals.units) or k < 1:
            return []
        shares = quotas(signals.weights, self.floor)
        depth = min(k, math.ceil(float(shares.max()) * k * DEPTH))
        rows, scores = self.index.search(signals.units, depth, allowed)
        hits = []
        for found, score, share in zip(rows, scores, shares.tolist(), strict=True):
            filled = int((found >= 0).sum())
            hits.append(Hits(found[:filled], score[:filled], share))
        return hits
