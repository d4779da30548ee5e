"""What the engine answers: the feed, its prices, and why everything else is not in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from auction.billable import Billable
from auction.log.record import DecisionRecord
from auction.outcome import Setter
from auction.reason import Reason


@dataclass(frozen=True, slots=True)
class PlacedAd:
    """One ad of the feed with its price."""

    placement_id: str
    """`request_id/ad_id`: a request decided twice places, and charges, once."""
    ad_id: int
    ad_group_id: int
    campaign_id: int
    advertiser_id: int
    position: int
    exposure: float
    billable: Billable
    price_micros: int
    """Per one billable event."""
    expected_charge_micros: int
    """Held against the budget until the event or the expiry: exposure x probability x price."""
    setter: Setter
    setter_ad_id: int
    title: str
    destination_url: str
    why: str
    """One sentence for the user: why this ad."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One position of the feed: an organic item by its id, an ad, or a module of the mixer's own."""

    position: int
    organic_id: str | None
    ad: PlacedAd | None
    module: bool = False
    """The mixer fills this position itself; no organic item and no ad stands here."""


def lay_feed(
    organic_ids: Sequence[str], modules: Collection[int] = (), ads: Mapping[int, PlacedAd] | None = None
) -> list[FeedEntry]:
    """The feed, every position from 1 on taken once, organic items in their order.

    `ads` (by position) and `modules` stand where they were placed and priced, or held; organic items fill
    what is left. Both are final positions: nothing is renumbered behind them. The feed ends where neither
    an item nor an ad nor a module comes next: a module farther on is beyond the page and left out, since
    moving it up would give the last item a neighbour that nobody has checked.
    """
    ads = ads or {}
    feed: list[FeedEntry] = []
    organic = iter(organic_ids)
    while True:
        position = len(feed) + 1
        if position in ads:
            feed.append(FeedEntry(position, None, ads[position]))
        elif position in modules:
            feed.append(FeedEntry(position, None, None, module=True))
        elif (item := next(organic, None)) is not None:
            feed.append(FeedEntry(position, item, None))
        else:
            return feed


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage of one decision: how many came in, how many left and for what, how long it took."""

    name: str
    came: int
    went: int
    milliseconds: float
    left: dict[Reason, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request; `record` is the row of the decision log."""

    request_id: str
    feed: list[FeedEntry]
    stages: list[StageReport]
    degraded: str | None
    """Null, or why the organic feed was answered unchanged: deadline, fault:<stage>, ..."""
    policy_hash: str
    bundle_id: str
    snapshot_id: str
    record: DecisionRecord

    @property
    def ads(self) -> list[PlacedAd]:
        return [entry.ad for entry in self.feed if entry.ad is not None]

    def reasons(self) -> dict[Reason, int]:
        """Candidates that are not in the feed, by reason, over all stages."""
        total: dict[Reason, int] = {}
        for stage in self.stages:
            for reason, count in stage.left.items():
                total[reason] = total.get(reason, 0) + count
        return total
