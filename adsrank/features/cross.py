"""The pair of two categorical columns as one key, to be looked up or hashed like any other id."""

import numpy as np

from adsrank.features import fingerprint, source
from adsrank.features.source import Bool, Columns, Int64
from adsrank.features.spec import FeatureRow, Type


def pair_keys(columns: Columns, row: FeatureRow) -> tuple[Int64, Bool | None]:
    """Keys of the pairs (int64 [n] or [1]) and where either value is missing (None: nowhere).

    Raises:
        InputError: a column absent, of another type, or of another length than the first; names it.
    """
    assert row.other is not None
    first, no_first = _fingerprints(columns, row.source, row.type)
    second, no_second = _fingerprints(columns, row.other, row.other_type or row.type)
    if 1 not in (len(first), len(second)) and len(first) != len(second):
        raise source.other_length(row.other, len(second), len(first))
    keys = fingerprint.of_pairs(first, second)
    if no_first is None and no_second is None:
        return keys, None
    missing = np.zeros(len(keys), np.bool_)
    for one in (no_first, no_second):
        if one is not None:
            missing |= one
    return keys, missing


def _fingerprints(columns: Columns, name: str, kind: Type) -> tuple[fingerprint.UInt64, Bool | None]:
    if kind is Type.STRING:
        return fingerprint.of_strings(source.strings(columns, name))
    values, missing = source.integers(columns, name)
    return values.astype(np.uint64), missing
