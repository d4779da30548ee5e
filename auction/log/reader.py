"""Reads a decision log: by records for people, by columns for replay."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from auction.batch import SlateBatch
from auction.billable import Billable, Grade
from auction.errors import InputError
from auction.hold import Hold
from auction.log.decisions import Columns, Decisions
from auction.log.part import groups, open_part, part_files, read_group
from auction.log.policies import kept_policy
from auction.log.record import (
    SCHEMA_VERSION,
    SHOWN_COLUMNS,
    VALUE_COLUMNS,
    DecisionRecord,
)
from auction.log.schema import FINITE_KEY, FIXED, KIND, SHOWN_INDEX, SHOWN_POSITION
from auction.log.table import table_records
from auction.outcome import Setter
from auction.policy import AuctionPolicy
from auction.reason import Reason
from auction.slate import AD_COLUMNS, ORGANIC_COLUMNS, POSITION_COLUMNS

SCALARS = ("request_id", "user_id", "policy_hash", "held", "seed", "positions_since_ad")
LAST_CODE = {
    "billable": max(Billable),
    "goal": max(Billable),
    "tolerance": max(Grade),
    "organic_grade": max(Grade),
    "hold": max(Hold),
    "reason": max(Reason),
    "setter": max(Setter),
}


class DecisionLog:
    """A folder that `LogWriter` wrote. Reads one row group at a time, so memory stays bounded.

    Raises:
        InputError: no such folder, or no part in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(str(self.folder), None, "give the folder of a decision log")
        self.files = part_files(self.folder)
        if not self.files:
            raise InputError(
                str(self.folder), "no part", "give a folder with date=*/hour=*/part-*.parquet in it"
            )
        self._fills: dict[str, npt.NDArray[Any]] = {}
        self._policies: dict[str, AuctionPolicy] = {}

    def __len__(self) -> int:
        """Number of decisions, from the footers."""
        return sum(self._open(path).metadata.num_rows for path in self.files)

    def policy(self, policy_hash: str) -> AuctionPolicy:
        """The policy that records of this log name.

        Raises:
            InputError: its file is missing or was changed; names the file.
        """
        if policy_hash not in self._policies:
            self._policies[policy_hash] = kept_policy(self.folder, policy_hash)
        return self._policies[policy_hash]

    def records(self) -> Iterator[DecisionRecord]:
        """Every decision, by file.

        Raises:
            InputError: an unreadable or foreign part; names the file.
        """
        for path in self.files:
            file = self._open(path)
            for group in groups(path, file):
                table = read_group(path, file, group)
                _decisions(path, table, {}, self._fill)
                yield from table_records(table)

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows as Arrow tables, one per row group, with all columns or those named."""
        for path in self.files:
            file = self._open(path)
            for group in groups(path, file):
                yield read_group(path, file, group, columns)

    def decisions(self, *, campaigns: bool = True) -> Iterator[Decisions]:
        """Every decision as columns, one batch per row group.

        Args:
            campaigns: False leaves every `campaign_id` at 0 unread: no auction looks at it.

        Raises:
            InputError: an unreadable or foreign part; names the file.
        """
        unread: dict[str, Any] = {} if campaigns else {"campaign_id": 0}
        wanted = [*SCALARS, *AD_COLUMNS, "reason", *ORGANIC_COLUMNS, *POSITION_COLUMNS, "exact"]
        wanted += [SHOWN_INDEX, SHOWN_POSITION, *SHOWN_COLUMNS, *VALUE_COLUMNS]
        for path in self.files:
            file = self._open(path)
            for group in groups(path, file):
                constant = _constants(file, group) | unread
                table = read_group(path, file, group, [name for name in wanted if name not in constant])
                yield _decisions(path, table, constant, self._fill)

    def _fill(self, name: str, value: float, size: int) -> npt.NDArray[Any]:
        """`size` times `value`: a read-only view, shared by batches, since filling costs as reading."""
        kept = self._fills.get(name)
        if kept is None or len(kept) < size or (size and kept[0] != value):
            kept = np.full(size, value, AD_COLUMNS[name])
            kept.flags.writeable = False
            self._fills[name] = kept
        return kept[:size]

    def _open(self, path: Path) -> pq.ParquetFile:
        return open_part(path, KIND, SCHEMA_VERSION, FIXED)


def _constants(file: pq.ParquetFile, group: int) -> dict[str, Any]:
    """Slate columns with one value throughout the row group, by its statistics: no need to read them.

    Statistics leave NaN out, so a probability counts as constant only where the writer noted that the
    column holds none. No value is null, by the schema (a null in the statistics is an empty list).
    """
    found: dict[str, Any] = {}
    metadata = file.metadata.row_group(group)
    finite = set((file.schema_arrow.metadata or {}).get(FINITE_KEY, b"").decode().split())
    candidates = {f"{name}.list.element": name for name in AD_COLUMNS if name != "ad_id"}
    for at in range(metadata.num_columns):
        chunk = metadata.column(at)
        name = candidates.get(chunk.path_in_schema)
        if name is None or not chunk.is_stats_set:
            continue
        statistics = chunk.statistics
        if not statistics.has_min_max or statistics.min != statistics.max:
            continue
        if AD_COLUMNS[name] is not np.float64 or name in finite:
            found[name] = statistics.max
    return found


def _decisions(
    path: Path, table: pa.Table, constant: Mapping[str, Any], fill: Callable[[str, float, int], Any]
) -> Decisions:
    """Columns of a row group, checked: equal lengths, known codes, indexes in range."""
    ad_start, ads = _group(path, table, ("ad_id", *(n for n in AD_COLUMNS if n not in constant), "reason"))
    for name, value in constant.items():
        ads[name] = fill(name, value, int(ad_start[-1]))
    reason = ads.pop("reason")
    organic_start, organic = _group(path, table, tuple(ORGANIC_COLUMNS))
    hold_start, holds = _group(path, table, tuple(POSITION_COLUMNS))
    shown_start, shown = _group(path, table, (SHOWN_INDEX, SHOWN_POSITION, *SHOWN_COLUMNS))
    coded = ads | organic | holds | {"reason": reason, "setter": shown["setter"]}
    for name, last in LAST_CODE.items():
        _codes(path, name, coded[name], int(last))
    ads_of_shown = np.repeat(np.diff(ad_start), np.diff(shown_start))
    if np.any((shown[SHOWN_INDEX] < 0) | (shown[SHOWN_INDEX] >= ads_of_shown)):
        raise InputError(
            f"{path}: {SHOWN_INDEX}", "out of range", "it counts the decision's candidates from 0"
        )
    if np.any(shown[SHOWN_POSITION] < 1):
        raise InputError(
            f"{path}: {SHOWN_POSITION}", int(shown[SHOWN_POSITION].min()), "positions start at 1"
        )
    return Decisions(
        source=str(path),
        request_id=_scalar(path, table, "request_id"),
        user_id=table.column("user_id").combine_chunks(),
        policy_hash=_scalar(path, table, "policy_hash"),
        held=_scalar(path, table, "held").to_numpy(zero_copy_only=False),
        slates=SlateBatch(
            seed=_scalar(path, table, "seed").to_numpy(),
            positions_since_ad=_scalar(path, table, "positions_since_ad").to_numpy(),
            ad_start=ad_start,
            organic_start=organic_start,
            hold_start=hold_start,
            **{name: ads[name] for name in AD_COLUMNS},
            **organic,
            **holds,
        ),
        reason=reason,
        shown_start=shown_start,
        shown=shown,
        values={name: _scalar(path, table, name).to_numpy() for name in VALUE_COLUMNS}
        | {"exact": _scalar(path, table, "exact").to_numpy(zero_copy_only=False)},
    )


def _scalar(path: Path, table: pa.Table, name: str) -> pa.Array:
    array = table.column(name).combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if array.null_count:
        raise InputError(f"{path}: {name}", None, "every decision has one")
    return array


def _group(path: Path, table: pa.Table, names: tuple[str, ...]) -> tuple[np.ndarray, Columns]:
    """CSR offsets shared by the list columns `names`, and their values."""
    start: np.ndarray | None = None
    columns: Columns = {}
    for name in names:
        lists = _scalar(path, table, name)
        if lists.values.null_count:
            raise InputError(f"{path}: {name}", None, "no value of the column may be null")
        offsets = lists.offsets.to_numpy()
        if start is None:
            start = offsets
        elif not np.array_equal(start, offsets):
            raise InputError(f"{path}: {name}", "other lengths", f"one value for each of {names[0]}")
        columns[name] = lists.values.to_numpy()[offsets[0] : offsets[-1]]
    assert start is not None
    return (start - start[0]).astype(np.int64), columns


def _codes(path: Path, name: str, codes: np.ndarray, last: int) -> None:
    if len(codes) and (codes.min() < 0 or codes.max() > last):
        bad = int(codes.min()) if codes.min() < 0 else int(codes.max())
        raise InputError(
            f"{path}: {name}", bad, f"codes go from 0 to {last}; a newer release may have written it"
        )
