"""What must change together: policy, model bundle, catalog snapshot and the index over it."""

from dataclasses import dataclass

from adsrank.catalog.snapshot import Snapshot
from adsrank.errors import SpaceMismatch
from adsrank.features.candidate import check_served
from adsrank.models.bundle import Bundle
from adsrank.retrieval.retriever import Retriever
from auction.policy import AuctionPolicy


@dataclass(frozen=True, slots=True)
class Release:
    """One consistent set of parts. The engine holds one reference and swaps it whole."""

    policy: AuctionPolicy
    bundle: Bundle
    snapshot: Snapshot
    retriever: Retriever

    def __post_init__(self) -> None:
        check_served(self.bundle.transform.sources)
        if self.bundle.embedding_space != self.snapshot.embedding_space:
            raise SpaceMismatch(
                f"bundle {self.bundle.id} speaks {self.bundle.embedding_space!r}, "
                f"catalog {self.snapshot.version} speaks {self.snapshot.embedding_space!r}; "
                "train on this catalog's embeddings or serve the bundle's own"
            )

    @property
    def resolved_policy(self) -> AuctionPolicy:
        """The policy with the bundle's learned exposure where it names none: what is hashed and logged."""
        if self.policy.exposure is not None:
            return self.policy
        return self.policy.model_copy(update={"exposure": self.bundle.exposure})
