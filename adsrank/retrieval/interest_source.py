"""Ads of the user's interests: works without any vector."""

import math

import numpy as np

from adsrank.catalog.snapshot import Snapshot
from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.signals import Signals
from adsrank.retrieval.source import Hits, SourceCode
from adsrank.retrieval.walk import Int64, shuffled, start_of, walk


class InterestSource:
    """For each interest a seeded draw among the ads that name it, in proportion to its weight.

    Many ads share an interest and nothing here ranks them: each request starts elsewhere in a
    shuffled list, so that no ad is favoured.
    """

    name = "interest"
    code = SourceCode.INTEREST

    def __init__(self, snapshot: Snapshot, share: float = 0.2) -> None:
        self.share = share
        lists = snapshot.interests
        order = np.argsort(lists.values, kind="stable")
        values, starts = np.unique(lists.values[order], return_index=True)
        owners = np.split(lists.owners()[order], starts[1:]) if len(values) else []
        self._ads: dict[int, Int64] = {
            value: shuffled(rows, snapshot.ad_id) for value, rows in zip(values.tolist(), owners, strict=True)
        }

    def retrieve(self, signals: Signals, snapshot: Snapshot, allowed: Bits, k: int) -> list[Hits]:
        """See `Source.retrieve`."""
        hits = []
        for interest, share in zip(signals.interests, signals.interest_weights.tolist(), strict=True):
            ads = self._ads.get(interest)
            if ads is None:
                continue
            rows = walk(ads, start_of(signals.seed, interest, len(ads)), allowed, math.ceil(share * k))
            hits.append(Hits(rows, np.full(len(rows), share, np.float32), share))
        return hits
