"""The comparison of a whole decision log."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adsrank.catalog.snapshot import Snapshot
from adsrank.features.parity.remade import remade
from adsrank.features.parity.report import ParityReport
from adsrank.features.parity.rows import Bool, Rows
from adsrank.features.parity.scores import Scorer, compare_ids, compare_scores
from adsrank.request import AdRequest
from auction.log.reader import DecisionLog

PIECE = 2_048
"""Decisions compared at once, which bounds the memory."""


def check(
    log: DecisionLog,
    snapshot: Snapshot | None = None,
    requests: Mapping[str, AdRequest] | None = None,
    bundle: Scorer | None = None,
) -> ParityReport:
    """Compare the shown ads of `log`, one row group at a time.

    Parameters:
        snapshot: the catalog that the ads were of: makes the ad's columns again.
        requests: by id, as the feed mixer sent them: make the request's columns again, and with
            `snapshot` the match.
        bundle: the one that decided; rows of another are not scored.

    Raises:
        InputError: an unreadable part; names the file.
    """
    report = ParityReport()
    for table in _pieces(log):
        rows = Rows.of(table)
        report.decisions += len(table)
        report.placements += len(rows)
        if not len(rows):
            continue
        if snapshot is not None:
            logged = table["snapshot_id"].take(pa.array(rows.decision)).to_pylist()
            report.other_snapshot += sum(_content(each) != _content(snapshot.version) for each in logged)
        for name, made_from, again, known in remade(rows, snapshot, requests or {}):
            _compare(report, rows, name, made_from, again, known)
        if bundle is not None:
            compare_ids(report, rows, bundle)
            compare_scores(report, rows, table, bundle)
    return report


def _pieces(log: DecisionLog) -> Iterator[pa.Table]:
    for table in log.tables():
        for start in range(0, len(table), PIECE):
            yield table.slice(start, PIECE)


def _content(version: str | None) -> str:
    """The content hash of a snapshot's version; its sequence is the store's own."""
    return (version or "").rpartition("-")[2]


def _compare(report: ParityReport, rows: Rows, name: str, made_from: str, again: Any, known: Bool) -> None:
    found = report.of(name, made_from)
    if name not in rows.shown.column_names:
        found.missing += len(rows)
        return
    logged = rows.shown[name].combine_chunks()
    if isinstance(again, list):
        again = pa.array(again, logged.type)
    if pa.types.is_list(logged.type):
        pairs = zip(_lists(logged), _lists(again), strict=True)
        same = np.fromiter((one == other for one, other in pairs), np.bool_, len(rows))
        found.add(same, known, rows, _lists(logged), _lists(again))
        return
    one, other = _plain(logged), _plain(again)
    equal = np.asarray(one == other, np.bool_)
    if one.dtype.kind == "f":
        equal |= np.isnan(one) & np.isnan(other.astype(np.float64))
    found.add(equal, known, rows, one, other)


def _lists(column: pa.Array) -> list[list[Any]]:
    return [value or [] for value in column.to_pylist()]


def _plain(values: Any) -> npt.NDArray[Any]:
    if isinstance(values, pa.Array):
        values = values.to_numpy(zero_copy_only=False)
    return np.asarray(values)
