"""The ads still in the running for one request, and the reason of every one that left."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from auction.reason import Reason

Columns = dict[str, npt.NDArray]


@dataclass(slots=True)
class Departure:
    """Ads that left at one stage for one reason."""

    stage: str
    reason: Reason
    row: npt.NDArray[np.int64]
    """Rows of the catalog snapshot."""


@dataclass(slots=True)
class Candidates:
    """Columns of equal length, one entry an ad: `row` is its row in the catalog snapshot.

    Stages add columns and call `keep`; nothing leaves without a reason.
    """

    row: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    columns: Columns = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)
    filtered: dict[Reason, int] = field(default_factory=dict)
    """Ads that filters kept out before any source was asked, counted and not listed."""

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, name: str) -> npt.NDArray:
        return self.columns[name]

    def __setitem__(self, name: str, values: npt.NDArray) -> None:
        if len(values) != len(self.row):
            raise ValueError(f"column {name!r} has {len(values)} values for {len(self.row)} candidates")
        self.columns[name] = values

    def keep(self, mask: npt.NDArray[np.bool_], reason: Reason, stage: str) -> None:
        """Keep the candidates where `mask`; the others leave at `stage` for `reason`."""
        if mask.all():
            return
        self.departures.append(Departure(stage, reason, self.row[~mask]))
        self.row = self.row[mask]
        self.columns = {name: values[mask] for name, values in self.columns.items()}
