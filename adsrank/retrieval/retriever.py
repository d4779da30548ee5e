"""Request in, candidates out: filter, ask every source, merge, measure the match."""

from collections.abc import Mapping, Sequence

import numpy as np

from adsrank.candidates import Candidates
from adsrank.catalog.snapshot import Snapshot
from adsrank.errors import BundleError, InputError
from adsrank.request import AdRequest, Intent
from adsrank.retrieval.ann import AnnIndex
from adsrank.retrieval.ann_source import AnnSource
from adsrank.retrieval.cosine import similarities
from adsrank.retrieval.eligibility import Eligibility
from adsrank.retrieval.index import AdIndex
from adsrank.retrieval.interest_source import InterestSource
from adsrank.retrieval.merge import merge
from adsrank.retrieval.sample_source import SampleSource
from adsrank.retrieval.signals import Signals
from adsrank.retrieval.source import Source
from adsrank.retrieval.targeting import TargetingIndex

BUDGET = 1000


class Retriever:
    """Bound to one snapshot: its index, its targeting bitmaps and its sources.

    Args:
        budget: candidates a request, at most.

    Raises:
        BundleError: a part was made of another snapshot.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        index: AdIndex,
        targeting: TargetingIndex,
        sources: Sequence[Source],
        budget: int = BUDGET,
    ) -> None:
        if index.vectors_id != snapshot.vectors_id or len(index) != len(snapshot):
            raise BundleError(
                f"the index was built on other vectors than those of snapshot {snapshot.version}"
            )
        if targeting.version != snapshot.version:
            raise BundleError(f"targeting is of snapshot {targeting.version}, not {snapshot.version}")
        if budget < 1:
            raise InputError("budget", budget, "at least 1")
        self.version = snapshot.version
        self.index = index
        self.targeting = targeting
        self.sources = tuple(sources)
        self.budget = budget
        self._eligibility = Eligibility(snapshot, targeting)

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        index: AdIndex | None = None,
        ancestors: Mapping[int, Sequence[int]] | None = None,
        budget: int = BUDGET,
    ) -> "Retriever":
        """The usual retriever of `snapshot`: near its intents, of its interests, else a sample.

        `index` saves building one; `ancestors` are those of the interest tree (`TargetingIndex`).
        """
        index = index or AnnIndex.of(snapshot)
        sources: list[Source] = [AnnSource(index), InterestSource(snapshot), SampleSource(snapshot)]
        retriever = cls(snapshot, index, TargetingIndex(snapshot, ancestors), sources, budget)
        retriever.rehearse(snapshot)
        return retriever

    def renewed(
        self, snapshot: Snapshot, ancestors: Mapping[int, Sequence[int]] | None = None
    ) -> "Retriever":
        """The retriever of a newer `snapshot`; the index is kept where the vectors are the same."""
        index = self.index
        if index.vectors_id != snapshot.vectors_id:
            index = index.renew(snapshot) if isinstance(index, AnnIndex) else AnnIndex.of(snapshot)
        return Retriever.of(snapshot, index, ancestors, self.budget)

    def rehearse(self, snapshot: Snapshot) -> None:
        """Answer two made-up requests, so that no real one waits for loops to be compiled."""
        if not len(snapshot):
            return
        intents = [Intent(embedding=np.eye(1, snapshot.dimension)[0].tolist())] if snapshot.dimension else []
        interests = [int(snapshot.interest[0])]
        for request in (
            AdRequest(request_id="rehearsal", user_id="-", intents=intents, user_interests=interests),
            AdRequest(request_id="rehearsal", user_id="-"),
        ):
            self.retrieve(request, snapshot, float(snapshot.starts_at[0]))

    def retrieve(
        self, request: AdRequest, snapshot: Snapshot, now: float, explain: bool = False
    ) -> Candidates:
        """Ads that may suit `request` at `now` (epoch seconds), at most `budget`.

        Columns: `similarity` (largest cosine with an intent), `similarity_mean` (weighted by the
        intents' weights), both 0 where either side has no vector; `interest_match` (1 where the main
        interest is one that the user stated), `intent` (number of the nearest one that may be used, else -1),
        `source` (`SourceCode`). Ads kept out are counted in `filtered`; with `explain` also listed
        in `departures`.

        Raises:
            BundleError: `snapshot` is not the one this retriever was made of.
            SpaceMismatch, InputError: intents that cannot be compared with the ads.
        """
        if snapshot.version != self.version:
            raise BundleError(f"retriever of snapshot {self.version} asked with {snapshot.version}")
        signals = Signals.of(request, snapshot.embedding_space, snapshot.dimension)
        allowed = self._eligibility.allowed(request, now, explain)
        lists, shares, codes = [], [], []
        for source in self.sources:
            for hits in source.retrieve(signals, snapshot, allowed.bits, self.budget):
                lists.append(hits.rows)
                shares.append(hits.share * source.share)
                codes.append(source.code)
        rows, origin = merge(lists, shares, self.budget, len(snapshot))
        largest, mean, nearest = similarities(snapshot.embedding, rows, signals.units, signals.weights)
        candidates = Candidates(rows, departures=allowed.departures, filtered=allowed.filtered)
        candidates["similarity"] = largest
        candidates["similarity_mean"] = mean
        candidates["interest_match"] = _among(snapshot.interest[rows], signals.stated)
        candidates["intent"] = signals.numbers[nearest] if len(signals.units) else nearest
        candidates["source"] = np.asarray(codes, np.int8)[origin]
        return candidates


def _among(values: np.ndarray, interests: Sequence[int]) -> np.ndarray:
    """1 where a value is one of `interests`, else 0, float32."""
    known = np.asarray(sorted(interest for interest in interests if 0 <= interest < 2**31), np.int32)
    if not len(known):
        return np.zeros(len(values), np.float32)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[place] == values, np.float32)
