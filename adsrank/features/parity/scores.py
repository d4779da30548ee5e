"""The logged columns through the bundle that decided: the same ids both ways, and the scores it gave."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adsrank.features import source
from adsrank.features.batch import FeatureBatch, Half
from adsrank.features.parity.report import ParityReport
from adsrank.features.parity.rows import OF_REQUEST, Bool, Rows
from adsrank.features.transform import CompiledTransform
from auction.log.schema import RAW

SCORE_TOLERANCE = 1e-4
"""Relative: a matrix product of another number of rows rounds otherwise."""


class Scorer(Protocol):
    """What is used of a model bundle."""

    @property
    def id(self) -> str: ...
    @property
    def transform(self) -> CompiledTransform: ...
    def score(self, columns: pa.Table | FeatureBatch) -> dict[str, npt.NDArray[np.float64]]: ...


def compare_ids(report: ParityReport, rows: Rows, bundle: Scorer) -> None:
    """The logged columns as a table, and decision by decision as serving has them: equal ids and numbers?"""
    mine = rows.numpy("bundle_id") == bundle.id
    transform = bundle.transform
    if not mine.any() or not set(transform.sources) <= set(rows.shown.column_names):
        report.of("ids and numbers", "bundle, both ways").missing += len(rows)
        return
    whole = transform.apply(rows.shown)
    found = report.of("ids and numbers", "bundle, both ways")
    same = np.ones(len(rows), np.bool_)
    for part in rows.decisions():
        shown = rows.shown.slice(part.start, part.stop - part.start)
        served = transform.apply(_served(shown, transform))
        same[part] = _equal(whole.take(part), served)
    found.add(same, mine, rows, ["ids"] * len(rows), ["other ids"] * len(rows))


def _served(part: pa.Table, transform: CompiledTransform) -> dict[str, Any]:
    """One decision's columns in the form serving gives them: the request's once, the ads' as arrays."""
    columns: dict[str, Any] = {}
    for name in transform.sources:
        if name in OF_REQUEST:
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
    return [part.reshape(len(half), -1) for part in half.arrays()]


def _wider(array: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])))


def compare_scores(report: ParityReport, rows: Rows, table: pa.Table, bundle: Scorer) -> None:
    """The model on the logged columns against the raw probabilities that serving logged."""
    mine = rows.numpy("bundle_id") == bundle.id
    heads = [name for name in table.column_names if name.startswith(RAW)]
    ready = mine.any() and set(bundle.transform.sources) <= set(rows.shown.column_names)
    scores = bundle.score(rows.shown) if ready else {}
    for name in heads:
        found = report.of(name, "bundle")
        lists = table[name].combine_chunks()
        flat, offsets = source.number_lists({name: lists}, name)
        at = offsets[rows.decision] + rows.index
        there = mine & (at < offsets[rows.decision + 1])
        logged = np.full(len(rows), np.nan)
        logged[there] = flat[at[there]]
        again = scores.get(name.removeprefix(RAW), np.full(len(rows), np.nan))
        compared = there & ~np.isnan(logged) & ~np.isnan(again)
        same = np.abs(logged - again) <= SCORE_TOLERANCE * np.abs(logged)
        found.add(same, compared, rows, logged, again)
