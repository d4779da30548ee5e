"""A seeded sample of the allowed ads, for requests that say nothing that may be used."""

import numpy as np

from adsrank.catalog.snapshot import Snapshot
from adsrank.retrieval.bitmap import Bits
from adsrank.retrieval.signals import Signals
from adsrank.retrieval.source import Hits, SourceCode
from adsrank.retrieval.walk import shuffled, start_of, walk


class SampleSource:
    """Draws by the request's id alone: nothing of the user, no popularity.

    It is silent where there is an intent or an interest to go by.
    """

    name = "sample"
    code = SourceCode.SAMPLE

    def __init__(self, snapshot: Snapshot, share: float = 1.0) -> None:
        self.share = share
        self._ads = shuffled(np.arange(len(snapshot)), snapshot.ad_id)

    def retrieve(self, signals: Signals, snapshot: Snapshot, allowed: Bits, k: int) -> list[Hits]:
        """See `Source.retrieve`."""
        if len(signals.units) or signals.interests or not len(self._ads):
            return []
        rows = walk(self._ads, start_of(signals.seed, 0, len(self._ads)), allowed, k)
        return [Hits(rows, np.zeros(len(rows), np.float32), 1.0)]
