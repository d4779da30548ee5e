"""Find the ads that may suit the request: targeting, status and schedule hold inside the search."""

from adsrank.passage import Passage


class Retrieve:
    name = "retrieve"

    def enabled(self, passage: Passage) -> bool:
        return bool(passage.request.organic)

    def run(self, passage: Passage) -> None:
        release = passage.release
        passage.candidates = release.retriever.retrieve(passage.request, release.snapshot, passage.now)
