"""Many decisions as columns: what replay and simulation work on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from auction.batch import SlateBatch, entries_of
from auction.log.record import OUTCOME_COLUMNS, SHOWN_COLUMNS
from auction.log.schema import SHOWN_INDEX, SHOWN_POSITION
from auction.outcome import Outcome
from auction.slate import Int8, Int64

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Decisions:
    """m decisions: their slates end to end, and what was logged of each outcome."""

    source: str
    """The file they were read from, for error messages."""
    request_id: pa.Array
    user_id: pa.Array
    policy_hash: pa.Array
    held: npt.NDArray[np.bool_]
    slates: SlateBatch
    reason: Int8
    """One per ad of the slates."""
    shown_start: Int64
    """[m + 1]: decision d showed the entries ``shown_start[d]:shown_start[d + 1]`` of `shown`."""
    shown: Columns
    """By position: shown_index (within its decision), shown_position, exposure, price_micros, ..."""
    values: Columns
    """[m] each: value_micros, organic_value_micros, organic_only_value_micros."""

    def __len__(self) -> int:
        return len(self.slates)

    def take(self, rows: Int64) -> "Decisions":
        """The decisions at `rows`, in that order."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        rows = np.asarray(rows, np.int64)
        _, ad = entries_of(self.slates.ad_start, rows)
        shown_start, shown = entries_of(self.shown_start, rows)
        picked = pa.array(rows)
        return Decisions(
            source=self.source,
            request_id=self.request_id.take(picked),
            user_id=self.user_id.take(picked),
            policy_hash=self.policy_hash.take(picked),
            held=self.held[rows],
            slates=self.slates.take(rows),
            reason=self.reason[ad],
            shown_start=shown_start,
            shown={name: values[shown] for name, values in self.shown.items()},
            values={name: values[rows] for name, values in self.values.items()},
        )

    def bidding(self, bid_micros: Int64) -> "Decisions":
        """The same decisions with these bids, one per ad of all decisions."""
        return replace(self, slates=replace(self.slates, bid_micros=bid_micros))

    def outcome(self, row: int) -> Outcome:
        """What was decided, as logged."""
        ad = slice(int(self.slates.ad_start[row]), int(self.slates.ad_start[row + 1]))
        shown = slice(int(self.shown_start[row]), int(self.shown_start[row + 1]))
        columns: dict[str, Any] = {
            name: np.zeros(ad.stop - ad.start, dtype) for name, dtype in OUTCOME_COLUMNS.items()
        }
        index = self.shown[SHOWN_INDEX][shown]
        columns["position"][index] = self.shown[SHOWN_POSITION][shown]
        for name in SHOWN_COLUMNS:
            columns[name][index] = self.shown[name][shown]
        columns["reason"] = self.reason[ad]
        columns |= {name: values[row].item() for name, values in self.values.items()}
        return Outcome(**columns)

    def decision_of(self, ad: Int64) -> Int64:
        """Rows of the decisions that own these indexes into the ad columns."""
        rows: Int64 = np.searchsorted(self.slates.ad_start, ad, side="right") - 1
        return rows

    def count(self, mask: npt.NDArray[Any]) -> Int64:
        """For how many ads of each decision `mask` (one value per ad) is not zero."""
        counts: Int64 = np.bincount(self.decision_of(np.flatnonzero(mask)), minlength=len(self))
        return counts

    def shown_entry(self) -> Int64:
        """Index of each logged shown ad into the ad columns."""
        first = np.repeat(self.slates.ad_start[:-1], np.diff(self.shown_start))
        entry: Int64 = first + self.shown[SHOWN_INDEX]
        return entry
