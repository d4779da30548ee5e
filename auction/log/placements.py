"""One row per shown ad: where it stood and the features it was scored with, for training to join."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from auction.log.reader import DecisionLog
from auction.log.schema import CONTEXT, FEATURE, PLACEMENT_ID, SHOWN_INDEX, SHOWN_POSITION

ROW = ("request_id", "user_id", "surface", "time", "bundle_id")
AD = ("ad_id", "campaign_id", "advertiser_id")


def placements(log: DecisionLog) -> Iterator[pa.Table]:
    """Tables of shown ads, one per row group of the log, in the order of the log and of the feed.

    Columns: placement_id, request_id, user_id, surface, time, bundle_id, ad_id, campaign_id,
    advertiser_id, position (int32, 1-based), gap (int32: positions from the ad before, on this page or
    across the page boundary; 0 where there is none), exposure, then the logged features of the request
    and of the ad under their own names.
    """
    for table in log.tables():
        yield placements_of(table)


def placements_of(table: pa.Table) -> pa.Table:
    """The shown ads of one table of a log: see `placements`."""
    rows = table.num_rows
    positions = _list(table, SHOWN_POSITION)
    shown_start, ad_start = _start(positions), _start(_list(table, "ad_id"))
    decision = np.repeat(np.arange(rows), np.diff(shown_start))
    entry = ad_start[decision] + _flat(_list(table, SHOWN_INDEX)).to_numpy()
    position = _flat(positions).to_numpy()
    columns: dict[str, pa.Array] = {PLACEMENT_ID: _flat(_list(table, PLACEMENT_ID))}
    for name in ROW:
        columns[name] = _take(table, name, decision)
    for name in AD:
        columns[name] = _flat(_list(table, name)).take(pa.array(entry))
    columns["position"] = pa.array(position.astype(np.int32))
    since = table.column("positions_since_ad").to_numpy()
    columns["gap"] = pa.array(gaps(shown_start, position, since).astype(np.int32))
    columns["exposure"] = _flat(_list(table, "exposure"))
    for field in table.schema:
        if field.name.startswith(CONTEXT):
            columns[field.name.removeprefix(CONTEXT)] = _take(table, field.name, decision)
        elif field.name.startswith(FEATURE):
            columns[field.name.removeprefix(FEATURE)] = _flat(_list(table, field.name))
    return pa.table(columns)


def gaps(shown_start: np.ndarray, position: np.ndarray, since_ad: np.ndarray) -> np.ndarray:
    """Positions from the ad before for each shown ad (in feed order); 0 where there was none.

    Args:
        shown_start: CSR offsets [m + 1] of the shown ads.
        position: 1-based positions, one per shown ad.
        since_ad: [m] positions since the last ad of the page before, -1 where there was none.
    """
    gap = np.diff(position, prepend=0)
    first = shown_start[:-1][np.diff(shown_start) > 0]
    owner = np.flatnonzero(np.diff(shown_start) > 0)
    gap[first] = np.where(since_ad[owner] >= 0, since_ad[owner] + position[first], 0)
    return gap


def _list(table: pa.Table, name: str) -> pa.ListArray:
    array = table.column(name).combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _start(lists: pa.ListArray) -> np.ndarray:
    offsets = lists.offsets.to_numpy().astype(np.int64)
    start: np.ndarray = offsets - offsets[0]
    return start


def _flat(lists: pa.ListArray) -> pa.Array:
    return lists.flatten()


def _take(table: pa.Table, name: str, rows: np.ndarray) -> pa.Array:
    array = table.column(name).combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return array.take(pa.array(rows))
