"""A row's column, or columns, through the encoder of its embedding table."""

import numpy as np
import pyarrow as pa

from adsrank.features import source
from adsrank.features.cross import pair_keys
from adsrank.features.source import Bool, Columns, Float64, Int64
from adsrank.features.spec import CROSSES, FeatureRow, Transform, Type
from adsrank.features.vocabulary import (
    Encoder,
    HashBuckets,
    IntegerVocabulary,
    QuantileBuckets,
    StringVocabulary,
)


def fit_encoder(table: pa.Table, readers: list[tuple[FeatureRow, str]]) -> Encoder:
    """The encoder of one embedding table, from the values of all columns that are looked up in it."""
    first, column = readers[0]
    if first.transform is Transform.BUCKETS:
        return QuantileBuckets.fit(source.numbers(table, column), first.buckets)
    hashed = first.transform in (Transform.HASH, Transform.CROSS_HASH)
    if first.type is Type.STRING and first.transform not in CROSSES:
        words = pa.chunked_array([source.strings(table, name) for _, name in readers]).combine_chunks()
        if hashed:
            return HashBuckets(first.buckets).fit(words)
        return StringVocabulary.fit(words, first.min_count, first.max_size)
    values = np.concatenate([known_integers(table, row, name) for row, name in readers])
    if hashed:
        return HashBuckets(first.buckets).fit(values)
    return IntegerVocabulary.fit(values, first.min_count, first.max_size)


def encode(encoder: Encoder, row: FeatureRow, columns: Columns) -> Int64:
    """Ids (int64 [n] or [1]) of the row's values, in the rows of its own table."""
    if row.transform in CROSSES:
        assert isinstance(encoder, IntegerVocabulary | HashBuckets)
        return _encode_integers(encoder, *pair_keys(columns, row))
    match encoder:
        case StringVocabulary() as strings:
            return strings.apply(source.strings(columns, row.source))
        case IntegerVocabulary() as integers:
            return integers.apply(*source.integers(columns, row.source))
        case QuantileBuckets() as quantiles:
            return quantiles.apply(source.numbers(columns, row.source))
        case HashBuckets() as hashed if row.type is Type.STRING:
            return hashed.apply_strings(source.strings(columns, row.source))
        case HashBuckets() as hashed:
            return hashed.apply_integers(*source.integers(columns, row.source))
    raise AssertionError(row.embedding)  # pragma: no cover


def read_number(row: FeatureRow, columns: Columns) -> Float64:
    """The values of a number or a share, float64 [n] or [1]; NaN where missing."""
    if row.other is not None:
        return source.shares(columns, row.source, row.other)
    return source.numbers(columns, row.source)


def known_integers(table: pa.Table, row: FeatureRow, column: str) -> Int64:
    """The values (int64 [n], missing ones left out) by which `column` of the row looks into its table."""
    if row.type is Type.LIST:
        found = source.lists(table, column)[0]
        return found[found != 0] if row.transform is Transform.SEQUENCE else found
    if row.transform in CROSSES:
        values, missing = pair_keys(table, row)
    else:
        values, missing = source.integers(table, column)
    return values if missing is None else values[~missing]


def _encode_integers(encoder: IntegerVocabulary | HashBuckets, values: Int64, missing: Bool | None) -> Int64:
    if isinstance(encoder, HashBuckets):
        return encoder.apply_integers(values, missing)
    return encoder.apply(values, missing)
