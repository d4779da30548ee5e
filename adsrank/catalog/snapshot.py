"""The catalog frozen for serving: columns over ads, one version, never changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.catalog.campaigns import Campaigns
from adsrank.catalog.columns import Array, Lists, digest, freeze
from adsrank.catalog.vector import unit_rows
from adsrank.errors import InputError
from auction.frequency import FrequencyCaps

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]

DIMENSIONS = ("country", "language", "device", "surface", "interest")
"""Of the targeting spec."""

UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Snapshot:
    """Ads that are not archived at any level, as columns of length n ordered by ad id.

    Paused, rejected and not yet started ads are here too: a filter can then say why they left.
    Rows are positions in these columns; they mean nothing in another snapshot.
    """

    sequence: int
    """Version of the store it was made from."""
    embedding_space: str | None
    """Null where no ad has a vector."""
    currency: str

    ad_id: Int64
    ad_group_id: Int64
    campaign_id: Int64
    advertiser_id: Int64
    """The account."""
    billable: npt.NDArray[np.int8]
    """`auction.billable.Billable` codes: the event that is charged."""
    goal: npt.NDArray[np.int8]
    """`auction.billable.Billable` codes: the event that is bid for."""
    bid_micros: Int64
    """Per one event of `goal` (a CPM bid divided by 1,000)."""
    interest: Int32
    """The main interest."""
    interests: Lists
    """All of its interests, the main one first."""
    format: npt.NDArray[Any]
    objective: npt.NDArray[Any]
    tolerance: npt.NDArray[np.int8]
    """Riskiest `auction.billable.Grade` of a neighbour that the ad accepts."""
    created_at: Int64
    """Epoch seconds."""
    status_active: Bool
    """ACTIVE itself, its ad group and its campaign."""
    policy_clear: Bool
    """No policy label keeps it from serving."""
    starts_at: Int64
    """Epoch seconds; the first second that campaign and ad group allow."""
    ends_at: Int64
    """Epoch seconds; the first second that one of them no longer allows."""
    title: npt.NDArray[Any]
    destination_url: npt.NDArray[Any]
    embedding: npt.NDArray[np.float32]
    """[n, d], unit rows; zeros where `embedded` is false."""
    embedded: Bool

    group_row: Int32
    """Row of its ad group in `targeting`."""
    campaign_row: Int32
    """Row of its campaign in `campaigns`."""
    targeting: dict[str, Lists]
    """Dimension -> accepted values of each of the g ad groups; an empty list accepts all."""
    campaigns: Campaigns

    version: str = field(init=False, default="")
    """Sequence and content hash: equal contents have equal hashes."""

    def __post_init__(self) -> None:
        n = len(self.ad_id)
        for name, array in self.columns():
            if array.shape[:1] != (n,) or array.ndim != (2 if name == "embedding" else 1):
                raise InputError(f"snapshot.{name}", array.shape, f"one entry for each of {n} ads")
            freeze(array)
        if np.any(np.diff(self.ad_id) <= 0):
            raise InputError("snapshot.ad_id", "not increasing", "each id once, in order")
        if len(self.interests) != n or np.any(np.diff(self.interests.offsets) < 1):
            raise InputError("snapshot.interests", len(self.interests), "at least one interest an ad")
        if (
            set(self.targeting) != set(DIMENSIONS)
            or len({len(lists) for lists in self.targeting.values()}) > 1
        ):
            raise InputError("snapshot.targeting", sorted(self.targeting), "all dimensions, one length")
        for name, rows, size in (
            ("group_row", self.group_row, len(self.targeting["country"])),
            ("campaign_row", self.campaign_row, len(self.campaigns)),
        ):
            if n and not (rows.min() >= 0 and rows.max() < size):
                raise InputError(f"snapshot.{name}", (int(rows.min()), int(rows.max())), f"below {size}")
        length = np.sqrt(np.einsum("ij,ij->i", self.embedding, self.embedding))
        wrong = np.flatnonzero(~(np.abs(length - self.embedded) < UNIT_TOLERANCE))
        if len(wrong):
            raise InputError(f"snapshot.embedding[{wrong[0]}]", float(length[wrong[0]]), "unit length, or 0")
        object.__setattr__(self, "version", f"{self.sequence}-{digest(self._parts())[:16]}")

    def columns(self) -> Iterator[tuple[str, Array]]:
        """Name and array of every column over ads (lists of lists aside)."""
        for column in fields(self):
            value = getattr(self, column.name)
            if isinstance(value, np.ndarray):
                yield column.name, value

    def _parts(self) -> Iterator[tuple[str, Array]]:
        yield "head", np.asarray([self.embedding_space or "", self.currency])
        yield from self.columns()
        for name, lists in (("interests", self.interests), *sorted(self.targeting.items())):
            yield f"{name}.offsets", lists.offsets
            yield f"{name}.values", lists.values
        for column in fields(self.campaigns):
            yield f"campaigns.{column.name}", getattr(self.campaigns, column.name)

    def __len__(self) -> int:
        return len(self.ad_id)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.embedding.shape[1])

    @property
    def active(self) -> Bool:
        """ACTIVE at every level and clear of blocking policy labels, [n]."""
        return self.status_active & self.policy_clear

    @cached_property
    def vectors_id(self) -> str:
        """16 hex digits of ads, space and vectors: an index built on equal ones still fits."""
        head = np.asarray([self.embedding_space or ""])
        parts = (("space", head), ("ad_id", self.ad_id), ("embedding", self.embedding))
        return digest(parts)[:16]

    def row_of(self, ad_id: int) -> int:
        """Row of `ad_id`; -1 where there is none."""
        row = int(np.searchsorted(self.ad_id, ad_id)) if 0 <= ad_id < 2**63 else len(self)
        return row if row < len(self) and self.ad_id[row] == ad_id else -1

    def rows_of(self, ad_ids: Iterable[int]) -> Int64:
        """Rows of those `ad_ids` that are here, in the order given."""
        wanted = np.asarray([ad_id for ad_id in ad_ids if 0 < ad_id < 2**63], np.int64)
        rows = np.searchsorted(self.ad_id, wanted)
        found = rows < len(self)
        found[found] = self.ad_id[rows[found]] == wanted[found]
        return rows[found]

    def frequency_caps(self, campaign_ids: Int64) -> FrequencyCaps:
        """Caps of `campaign_ids` [k], one row each; none where the campaign is not here."""
        return self.campaigns.frequency_caps(campaign_ids)

    def with_embedding(
        self, space: str, embedding: npt.NDArray[Any], embedded: Bool | None = None
    ) -> "Snapshot":
        """The same ads with other vectors [n, d], for example of a bundle's ad tower.

        Rows where `embedded` is false have none; the others are divided by their length.

        Raises:
            InputError: wrong shape, a component that is not finite, a row without direction.
        """
        has = np.ones(len(self), np.bool_) if embedded is None else np.asarray(embedded, np.bool_)
        given = np.asarray(embedding)
        if given.ndim != 2 or len(given) != len(self) or has.shape != (len(self),):
            raise InputError("embedding", given.shape, f"one row for each of {len(self)} ads")
        unit = np.zeros(given.shape, np.float32)
        unit[has] = unit_rows(given[has])
        return replace(self, embedding_space=space, embedding=unit, embedded=has)
