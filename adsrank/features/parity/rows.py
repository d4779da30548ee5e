"""The shown ads of one piece of a decision log, with the decision of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features.examples import AD, CONTEXT, MATCH
from auction.log.placements import placements_of
from auction.log.schema import SHOWN_INDEX

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

KEYS = ("request_id", "time", "ad_id")
"""What a row is found by: the log's own word for it."""
FEATURES = [each.name for each in (*CONTEXT, *AD, *MATCH) if each.name not in KEYS]
OF_REQUEST = [each.name for each in CONTEXT if each.name not in KEYS]


@dataclass(frozen=True, slots=True)
class Rows:
    """n shown ads."""

    shown: pa.Table
    """A row each, in the order of the log and of the feed: `auction.log.placements`."""
    decision: Int64
    """[n], row of its decision in the table."""
    index: Int64
    """[n], among the candidates of its decision."""
    request_id: list[str]
    """Of each decision."""

    @classmethod
    def of(cls, table: pa.Table) -> "Rows":
        """Those of a table of a decision log."""
        sizes = pc.list_value_length(table[SHOWN_INDEX]).to_numpy()
        return cls(
            shown=placements_of(table),
            decision=np.repeat(np.arange(len(table)), sizes),
            index=pc.list_flatten(table[SHOWN_INDEX]).to_numpy().astype(np.int64),
            request_id=table["request_id"].to_pylist(),
        )

    def __len__(self) -> int:
        return len(self.shown)

    def name(self, at: int) -> str:
        return f"{self.shown['request_id'][at].as_py()}, ad {self.shown['ad_id'][at].as_py()}"

    def numpy(self, name: str) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self.shown[name].combine_chunks().to_numpy(zero_copy_only=False)
        return found

    def decisions(self) -> Iterator[slice]:
        """The rows of each decision that showed an ad."""
        first = np.flatnonzero(np.diff(self.decision, prepend=-1)).tolist()
        for start, end in zip(first, [*first[1:], len(self)], strict=True):
            yield slice(start, end)
