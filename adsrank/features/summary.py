"""What became of the values that each embedding table was shown: ids of their own, shared, or none."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adsrank.features.batch import FeatureBatch, Int64
from adsrank.features.transform import CompiledTransform
from adsrank.features.vocabulary import MISSING, Encoder, HashBuckets, QuantileBuckets


@dataclass(frozen=True, slots=True)
class TableSummary:
    """One embedding table. Counts of training are None in transforms of the first release."""

    table: str
    kind: str
    """vocabulary, hash or quantiles."""
    features: tuple[str, ...]
    rows: int
    """Of the embedding, the rows of missing and of any other value included."""
    distinct: int | None
    """Distinct values that training showed."""
    own: float | None
    """Share of the known values that have an id of their own: not rare, not colliding."""
    collisions: int | None
    """Of a hash: distinct values less the ids they took."""
    expected_collisions: float | None
    """n - m (1 - (1 - 1/m)^n): what an even hash of n values to m ids would give."""

    missing: float | None
    """Of later rows: share of the values looked up that are missing, an empty list being one; None without
    such rows, as is `unseen`."""
    unseen: float | None
    """Of later rows: share of the known values that a vocabulary takes for any other; None of the rest."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summaries(transform: CompiledTransform, later: FeatureBatch | None = None) -> list[TableSummary]:
    """One summary a table, in the order of the stacked embedding.

    Parameters:
        later: rows encoded by `transform` that it was not fitted on, to tell what it does not know of them.
    """
    looked_up = None if later is None else _looked_up(transform, later)
    found = []
    for table, encoder in transform.encoders_.items():
        readers = [row.name for row in transform.spec.features if table in dict(row.tables)]
        seen = encoder.seen_
        start = transform.starts_[table]
        counts = None if looked_up is None else looked_up[start : start + encoder.size]
        hashed = isinstance(encoder, HashBuckets)
        found.append(
            TableSummary(
                table=table,
                kind=_kind(encoder),
                features=tuple(readers),
                rows=encoder.size,
                distinct=None if seen is None else seen.distinct,
                own=None if seen is None or not seen.values else seen.own / seen.values,
                collisions=encoder.collisions_ if isinstance(encoder, HashBuckets) else None,
                expected_collisions=_expected(seen.distinct, encoder.size - 1) if hashed and seen else None,
                missing=None if counts is None else _share(counts, MISSING, 0),
                unseen=None
                if counts is None or encoder.unknown is None
                else _share(counts, encoder.unknown, MISSING + 1),
            )
        )
    return found


def _kind(encoder: Encoder) -> str:
    if isinstance(encoder, HashBuckets):
        return "hash"
    return "quantiles" if isinstance(encoder, QuantileBuckets) else "vocabulary"


def _looked_up(transform: CompiledTransform, batch: FeatureBatch) -> Int64:
    """int64 [rows of the stacked table]: how often the batch looks up each."""
    total = np.zeros(transform.rows_, np.int64)
    for half in (batch.request, batch.ad):
        rows = len(batch) if len(half) == 1 else 1  # one row of the request stands for all
        for ids in (half.ids, *half.lists, *(sequence.ids for sequence in half.sequences)):
            total += rows * np.bincount(ids.ravel(), minlength=transform.rows_)
    return total


def _share(counts: Int64, of: int, begin: int) -> float | None:
    """Of row `of` among the rows from `begin` on."""
    total = int(counts[begin:].sum())
    return int(counts[of]) / total if total else None


def _expected(values: int, ids: int) -> float:
    return float(values + ids * np.expm1(values * np.log1p(-1.0 / ids)))
