"""What became of the values that training showed each embedding table: ids of their own, or shared."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adsrank.features.transform import CompiledTransform
from adsrank.features.vocabulary import Encoder, HashBuckets, QuantileBuckets


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summaries(transform: CompiledTransform) -> list[TableSummary]:
    """One summary a table, in the order of the stacked embedding."""
    found = []
    for table, encoder in transform.encoders_.items():
        readers = [row.name for row in transform.spec.features if table in dict(row.tables)]
        seen = encoder.seen_
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
            )
        )
    return found


def _kind(encoder: Encoder) -> str:
    if isinstance(encoder, HashBuckets):
        return "hash"
    return "quantiles" if isinstance(encoder, QuantileBuckets) else "vocabulary"


def _expected(values: int, ids: int) -> float:
    return float(values + ids * np.expm1(values * np.log1p(-1.0 / ids)))
