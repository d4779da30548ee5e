"""Whether what serving logged is what the offline build makes of the same requests and ads.

Every logged feature column is made again from as much as is at hand (the decision's time, the other
logged columns, the catalog, the requests) and compared value by value. With the bundle, the logged
columns also go through its transform in both of its forms, and through its model: equal scores say that
the ids and numbers behind them were those of serving, which the log itself does not hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.catalog.snapshot import Snapshot
from adsrank.features import source
from adsrank.features.batch import FeatureBatch, Half
from adsrank.features.columns import DAY, match_columns, request_columns
from adsrank.features.examples import ACTIONS, AD, CONTEXT, MATCH
from adsrank.features.transform import CompiledTransform
from adsrank.request import AdRequest
from adsrank.retrieval.cosine import similarities
from adsrank.retrieval.signals import Signals
from auction.log.placements import placements_of
from auction.log.reader import DecisionLog
from auction.log.schema import RAW, SHOWN_INDEX

Bool = npt.NDArray[np.bool_]

KEYS = ("request_id", "time", "ad_id")
"""What a row is found by: the log's own word for it."""
FEATURES = [each.name for each in (*CONTEXT, *AD, *MATCH) if each.name not in KEYS]
OF_REQUEST = [name for name in FEATURES if name in {each.name for each in CONTEXT}]
PRIVATE = ("user_interests", "recent_interests", *ACTIONS)
"""Columns that must be empty where the user is not to be known."""

PIECE = 2_048
"""Decisions compared at once, which bounds the memory."""

SCORE_TOLERANCE = 1e-4
"""Relative: a matrix product of another number of rows rounds otherwise."""


class Scorer(Protocol):
    """What is used of a model bundle."""

    @property
    def id(self) -> str: ...
    @property
    def transform(self) -> CompiledTransform: ...
    def score(self, columns: pa.Table | FeatureBatch) -> dict[str, npt.NDArray[np.float64]]: ...


@dataclass(slots=True)
class Agreement:
    """One column compared with one way to make it again."""

    column: str
    made_from: str
    equal: int = 0
    different: int = 0
    missing: int = 0
    """Values with nothing to compare them with."""
    first: str | None = None
    """The first difference, in words."""

    def add(self, same: Bool, compared: Bool, rows: "Rows", logged: Any, again: Any) -> None:
        wrong = np.flatnonzero(compared & ~same)
        self.different += len(wrong)
        self.equal += int(np.count_nonzero(compared & same))
        self.missing += int(np.count_nonzero(~compared))
        if len(wrong) and self.first is None:
            at = int(wrong[0])
            one, other = _said(logged, at), _said(again, at)
            self.first = f"{rows.name(at)}: logged {one}, made again {other}"


@dataclass(slots=True)
class ParityReport:
    """What was compared, and what could not be."""

    decisions: int = 0
    placements: int = 0
    other_snapshot: int = 0
    """Placements decided with another snapshot than the one at hand."""
    agreements: dict[tuple[str, str], Agreement] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return not any(each.different for each in self.agreements.values())

    @property
    def unproven(self) -> list[str]:
        """Logged features that nothing at hand could make again."""
        proven = {name for (name, _), each in self.agreements.items() if each.equal or each.different}
        return [name for name in FEATURES if name not in proven]

    def of(self, column: str, made_from: str) -> Agreement:
        return self.agreements.setdefault((column, made_from), Agreement(column, made_from))

    def to_json(self) -> dict[str, Any]:
        rows = self.agreements.values()
        return {
            "decisions": self.decisions,
            "placements": self.placements,
            "other_snapshot": self.other_snapshot,
            "holds": self.holds,
            "unproven": self.unproven,
            "columns": [{name: getattr(each, name) for name in Agreement.__slots__} for each in rows],
        }


@dataclass(frozen=True, slots=True)
class Rows:
    """Shown ads of one table of the log, and which decision each is of."""

    shown: pa.Table
    decision: npt.NDArray[np.int64]
    request_id: list[str]
    """Of each decision."""

    def __len__(self) -> int:
        return len(self.shown)

    def name(self, at: int) -> str:
        return f"{self.shown['request_id'][at].as_py()}, ad {self.shown['ad_id'][at].as_py()}"

    def numpy(self, name: str) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self.shown[name].combine_chunks().to_numpy(zero_copy_only=False)
        return found


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
        rows = _rows(table)
        report.decisions += len(table)
        report.placements += len(rows)
        if not len(rows):
            continue
        if snapshot is not None:
            logged = table["snapshot_id"].take(pa.array(rows.decision)).to_pylist()
            report.other_snapshot += sum(_content(each) != _content(snapshot.version) for each in logged)
        for name, made_from, again, known in _remade(rows, snapshot, requests or {}):
            _compare(report, rows, name, made_from, again, known)
        if bundle is not None:
            _compile(report, rows, bundle)
            _score(report, rows, table, bundle)
    return report


def _pieces(log: DecisionLog) -> Iterator[pa.Table]:
    for table in log.tables():
        for start in range(0, len(table), PIECE):
            yield table.slice(start, PIECE)


def _rows(table: pa.Table) -> Rows:
    sizes = pc.list_value_length(table[SHOWN_INDEX]).to_numpy()
    return Rows(
        placements_of(table), np.repeat(np.arange(len(table)), sizes), table["request_id"].to_pylist()
    )


def _content(version: str | None) -> str:
    """The content hash of a snapshot's version; its sequence is the store's own."""
    return (version or "").rpartition("-")[2]


def _remade(
    rows: Rows, snapshot: Snapshot | None, requests: Mapping[str, AdRequest]
) -> Iterator[tuple[str, str, Any, Bool]]:
    """Column, what it was made from, its values again (one a shown ad) and where they are known."""
    every = np.ones(len(rows), np.bool_)
    time = rows.shown["time"].combine_chunks()
    yield "hour", "time", pc.hour(time).to_pylist(), every
    yield "weekday", "time", pc.day_of_week(time).to_pylist(), every
    anonymous = rows.shown["user_id"].combine_chunks().is_null().to_numpy(zero_copy_only=False)
    for name in PRIVATE:
        yield name, "privacy", [[]] * len(rows), anonymous
    yield "interest_match", "privacy", np.full(len(rows), np.nan, np.float32), anonymous
    if {"user_interests", "ad_interest"} <= set(rows.shown.column_names):
        share = source.shares(rows.shown, "user_interests", "ad_interest")
        yield "interest_match", "logged interests", (share > 0).astype(np.float32), ~anonymous
    if snapshot is not None:
        yield from _of_catalog(rows, snapshot)
    if requests:
        yield from _of_requests(rows, snapshot, requests)


def _of_catalog(rows: Rows, snapshot: Snapshot) -> Iterator[tuple[str, str, Any, Bool]]:
    at, known = _places(rows, snapshot)
    for name, column in (
        ("campaign_id", snapshot.campaign_id),
        ("advertiser_id", snapshot.advertiser_id),
        ("ad_interest", snapshot.interest),
        ("format", snapshot.format),
        ("objective", snapshot.objective),
    ):
        yield name, "catalog", column[at], known
    seconds = rows.shown["time"].cast(pa.int64()).to_numpy() / 1e6
    age = ((seconds - snapshot.created_at[at]) / DAY).astype(np.float32)
    yield "ad_age_days", "catalog", age, known


def _places(rows: Rows, snapshot: Snapshot) -> tuple[npt.NDArray[np.int64], Bool]:
    """Row of each ad in the snapshot (0 where it is not there) and whether it is."""
    if not len(snapshot):
        return np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
    ad = rows.numpy("ad_id")
    at = np.minimum(np.searchsorted(snapshot.ad_id, ad), len(snapshot) - 1)
    known = snapshot.ad_id[at] == ad
    return np.where(known, at, 0), known


def _of_requests(
    rows: Rows, snapshot: Snapshot | None, requests: Mapping[str, AdRequest]
) -> Iterator[tuple[str, str, Any, Bool]]:
    at, in_catalog = (None, None) if snapshot is None else _places(rows, snapshot)
    known = np.zeros(len(rows), np.bool_)
    compared = np.zeros(len(rows), np.bool_)
    made: dict[str, list[Any]] = {name: [None] * len(rows) for name in (*OF_REQUEST, "user_id")}
    match = {name: np.full(len(rows), np.nan, np.float32) for name in ("similarity", "similarity_mean")}
    first = np.flatnonzero(np.diff(rows.decision, prepend=-1))
    for start, end in zip(first, [*first[1:], len(rows)], strict=True):
        request = requests.get(rows.request_id[rows.decision[start]])
        if request is None:
            continue
        part = slice(int(start), int(end))
        known[part] = True
        for name, value in request_columns(request).items():
            made[name][part] = [value.tolist() if isinstance(value, np.ndarray) else value] * (end - start)
        if snapshot is not None and at is not None and in_catalog is not None:
            signals = Signals.of(request, snapshot.embedding_space, snapshot.dimension)
            row = at[part]
            largest, mean, _ = similarities(snapshot.embedding, row, signals.units, signals.weights)
            measured: dict[str, npt.NDArray[Any]] = {
                "similarity": largest, "similarity_mean": mean, "interest_match": np.zeros(len(row)),
            }  # fmt: skip
            for name, values in match_columns(request, measured, snapshot.embedded[row]).items():
                if name in match:
                    match[name][part] = values
            compared[part] = in_catalog[part]
    for name, column in made.items():
        yield name, "request", column, known
    if snapshot is not None:
        for name, cosine in match.items():
            yield name, "request and catalog", cosine, compared


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


def _compile(report: ParityReport, rows: Rows, bundle: Scorer) -> None:
    """The logged columns as a table, and decision by decision as serving has them: equal ids and numbers?"""
    mine = rows.numpy("bundle_id") == bundle.id
    transform = bundle.transform
    if not mine.any() or not set(transform.sources) <= set(rows.shown.column_names):
        report.of("ids and numbers", "bundle, both ways").missing += len(rows)
        return
    whole = transform.apply(rows.shown)
    found = report.of("ids and numbers", "bundle, both ways")
    same = np.ones(len(rows), np.bool_)
    first = np.flatnonzero(np.diff(rows.decision, prepend=-1))
    for start, end in zip(first.tolist(), [*first[1:].tolist(), len(rows)], strict=True):
        part = rows.shown.slice(start, end - start)
        served = transform.apply(_served(part, transform))
        same[start:end] = _equal(whole.take(np.arange(start, end)), served)
    found.add(same, mine, rows, ["ids"] * len(rows), ["other ids"] * len(rows))


def _served(part: pa.Table, transform: CompiledTransform) -> dict[str, Any]:
    """One decision's columns in the form serving gives them: the request's once, the ads' as arrays."""
    columns: dict[str, Any] = {}
    for name in transform.sources:
        if name in OF_REQUEST or name == "user_id":
            columns[name] = part[name][0].as_py()
        else:
            columns[name] = part[name].combine_chunks().to_numpy(zero_copy_only=False)
    return columns


def _equal(whole: FeatureBatch, served: FeatureBatch) -> Bool:
    same = np.ones(len(whole), np.bool_)
    for one, other in ((whole.request, served.request), (whole.ad, served.ad)):
        for left, right in zip(_arrays(one), _arrays(other), strict=True):
            wide = max(left.shape[1], right.shape[1])  # a shorter list of the same is padded less
            same &= (_wider(left, wide) == _wider(right, wide)).all(axis=1)
    return same


def _arrays(half: Half) -> list[npt.NDArray[Any]]:
    flat = [part.reshape(len(half), -1) for each in half.sequences for part in (each.ids, each.age)]
    return [half.ids, *half.lists, half.numbers, *flat]


def _wider(array: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])))


def _score(report: ParityReport, rows: Rows, table: pa.Table, bundle: Scorer) -> None:
    """The model on the logged columns against the raw probabilities that serving logged."""
    mine = rows.numpy("bundle_id") == bundle.id
    heads = [name for name in table.column_names if name.startswith(RAW)]
    ready = mine.any() and set(bundle.transform.sources) <= set(rows.shown.column_names)
    scores = bundle.score(rows.shown) if ready else {}
    index = pc.list_flatten(table[SHOWN_INDEX]).to_numpy()
    for name in heads:
        found = report.of(name, "bundle")
        lists = table[name].combine_chunks()
        flat, offsets = source.number_lists({name: lists}, name)
        at = offsets[rows.decision] + index
        there = mine & (at < offsets[rows.decision + 1])
        logged = np.full(len(rows), np.nan)
        logged[there] = flat[at[there]]
        again = scores.get(name.removeprefix(RAW), np.full(len(rows), np.nan))
        compared = there & ~np.isnan(logged) & ~np.isnan(again)
        same = np.abs(logged - again) <= SCORE_TOLERANCE * np.abs(logged)
        found.add(same, compared, rows, logged, again)


def _said(values: Any, at: int) -> str:
    text = str(values[at])
    return text if len(text) <= 80 else f"{text[:77]}..."
