"""The campaigns of a snapshot as columns: what budgets, pacing and frequency caps need."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from adsrank.catalog.columns import freeze
from adsrank.errors import InputError
from auction.frequency import FrequencyCaps

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Columns of length c, ordered by campaign id. Archived campaigns are left out."""

    campaign_id: Int64
    advertiser_id: Int64
    name: npt.NDArray[Any]
    active: npt.NDArray[np.bool_]
    daily_limit_micros: Int64
    """0 where there is no daily budget."""
    lifetime_limit_micros: Int64
    """0 where there is no lifetime budget."""
    time_zone: npt.NDArray[Any]
    """IANA name of the account's zone, which bounds the budget day."""
    accelerated: npt.NDArray[np.bool_]
    starts_at: Int64
    """Epoch seconds; the first second it may serve."""
    ends_at: Int64
    """Epoch seconds; the first second it may no longer serve."""
    cap_event: npt.NDArray[np.int8]
    """`auction.billable.Billable` code of the capped event; -1 without a cap."""
    cap_interval_days: npt.NDArray[np.int16]
    cap_max: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        for column in fields(self):
            array = getattr(self, column.name)
            if array.shape != self.campaign_id.shape:
                raise InputError(f"campaigns.{column.name}", array.shape, f"shape {self.campaign_id.shape}")
            freeze(array)
        if np.any(np.diff(self.campaign_id) <= 0):
            raise InputError("campaigns.campaign_id", "not increasing", "each id once, in order")

    def __len__(self) -> int:
        return len(self.campaign_id)

    def row_of(self, campaign_id: int) -> int:
        """Row of `campaign_id`; -1 where there is none."""
        row = int(np.searchsorted(self.campaign_id, campaign_id)) if 0 <= campaign_id < 2**63 else len(self)
        return row if row < len(self) and self.campaign_id[row] == campaign_id else -1

    def frequency_caps(self, campaign_ids: Int64) -> FrequencyCaps:
        """Caps of `campaign_ids` [k], one row each; none where the campaign is not here."""
        row = np.searchsorted(self.campaign_id, campaign_ids)
        here = row < len(self)
        here[here] = self.campaign_id[row[here]] == campaign_ids[here]
        event = np.zeros(len(row), np.int8)
        days, most = np.zeros(len(row), np.int64), np.zeros(len(row), np.int64)
        event[here] = np.maximum(self.cap_event[row[here]], 0)
        days[here], most[here] = self.cap_interval_days[row[here]], self.cap_max[row[here]]
        return FrequencyCaps(event, days, most)
