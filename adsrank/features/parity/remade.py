"""Feature columns of shown ads, made again from the decision, the catalog and the requests."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.catalog.snapshot import Snapshot
from adsrank.features import source
from adsrank.features.columns import DAY, match_columns, request_columns
from adsrank.features.examples import ACTIONS
from adsrank.features.parity.rows import OF_REQUEST, Bool, Int64, Rows
from adsrank.request import AdRequest
from adsrank.retrieval.cosine import similarities
from adsrank.retrieval.signals import Signals

PRIVATE = ("user_interests", "recent_interests", *ACTIONS)
"""Columns that must be empty where the user is not to be known."""


def remade(
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


def _places(rows: Rows, snapshot: Snapshot) -> tuple[Int64, Bool]:
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
    made: dict[str, list[Any]] = {name: [None] * len(rows) for name in OF_REQUEST}
    match = {name: np.full(len(rows), np.nan, np.float32) for name in ("similarity", "similarity_mean")}
    for part in rows.decisions():
        request = requests.get(rows.request_id[rows.decision[part.start]])
        if request is None:
            continue
        known[part] = True
        for name, value in request_columns(request).items():
            plain = value.tolist() if isinstance(value, np.ndarray) else value
            made[name][part] = [plain] * (part.stop - part.start)
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
