"""Reading a fitted encoder or scale back from JSON that may have been written by anyone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from adsrank.errors import InputError
from adsrank.features.scale import Scale
from adsrank.features.spec import CROSSES, FeatureRow, Transform, Type
from adsrank.features.vector import PassedVector
from adsrank.features.vocabulary import (
    MAX_WORD,
    Encoder,
    HashBuckets,
    IntegerVocabulary,
    QuantileBuckets,
    Seen,
    StringVocabulary,
)


def read_encoder(row: FeatureRow, table: str, encoders: Any) -> Encoder:
    """The encoder of one embedding table of the row.

    Raises:
        InputError: absent, of another kind than the row declares, or with values that do not fit.
    """
    where = f"encoders.{table}"
    data = _section(encoders, table, where)
    seen = _seen(data.get("seen"), f"{where}.seen")
    if row.transform is Transform.BUCKETS:
        _kind(data, "quantiles", where)
        boundaries = _floats(data.get("boundaries"), f"{where}.boundaries", row.buckets)
        if len(boundaries) > 1 and not np.all(np.diff(boundaries) > 0):
            raise InputError(f"{where}.boundaries", "not increasing", "give increasing numbers")
        return QuantileBuckets(boundaries, seen)
    if row.transform in (Transform.HASH, Transform.CROSS_HASH):
        _kind(data, "hash", where)
        if data.get("buckets") != row.buckets:
            raise InputError(f"{where}.buckets", data.get("buckets"), f"the spec says {row.buckets}")
        collisions = data.get("collisions")
        if type(collisions) is not int or collisions < 0:
            raise InputError(f"{where}.collisions", collisions, "give a count")
        return HashBuckets(row.buckets, collisions, seen)
    values = data.get("values")
    if not isinstance(values, list) or len(values) > row.max_size:
        raise InputError(f"{where}.values", type(values).__name__, f"give a list of at most {row.max_size}")
    words = row.type is Type.STRING and row.transform not in CROSSES
    if words:
        _kind(data, "strings", where)
        if not all(type(word) is str and len(word) <= MAX_WORD for word in values):
            raise InputError(f"{where}.values", "other", f"give strings of at most {MAX_WORD} characters")
    else:
        _kind(data, "integers", where)
        if not all(type(value) is int and -(2**63) <= value < 2**63 for value in values):
            raise InputError(f"{where}.values", "other", "give 64-bit integers")
    if len(set(values)) < len(values):
        raise InputError(f"{where}.values", "a value twice", "give each value once")
    return StringVocabulary(values, seen) if words else IntegerVocabulary(np.array(values, np.int64), seen)


def read_scale(row: FeatureRow, scales: Any) -> Scale:
    """The scale of a number.

    Raises:
        InputError: absent, of another kind, or not finite.
    """
    where = f"scales.{row.name}"
    data = _section(scales, row.name, where)
    _kind(data, row.transform.value, where)
    mean, deviation = _floats([data.get("mean"), data.get("deviation")], f"{where}.mean, deviation", 2)
    if not deviation > 0:
        raise InputError(f"{where}.deviation", float(deviation), "give a positive number")
    return Scale(row.transform, float(mean), float(deviation), _flag(data, "missing_seen", where))


def read_vector(row: FeatureRow, vectors: Any) -> PassedVector:
    """What is known of an embedding that is passed through.

    Raises:
        InputError: absent, or of another size than the row declares.
    """
    where = f"vectors.{row.name}"
    data = _section(vectors, row.name, where)
    if data.get("size") != row.size or row.size is None:
        raise InputError(f"{where}.size", data.get("size"), f"the spec says {row.size}")
    return PassedVector(row.size, _flag(data, "missing_seen", where), _flag(data, "known", where))


def _flag(data: Mapping[str, Any], name: str, where: str) -> bool:
    found = data.get(name)
    if type(found) is not bool:
        raise InputError(f"{where}.{name}", found, "give true or false")
    return found


def _seen(data: Any, where: str) -> Seen | None:
    """Counts of the training rows; documents of the first version have none."""
    if data is None:
        return None
    names = ("values", "distinct", "own")
    counts = [data.get(name) if isinstance(data, Mapping) else None for name in names]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise InputError(where, type(data).__name__, f"give counts of {', '.join(names)}")
    return Seen(*counts)  # type: ignore[arg-type]


def _section(data: Any, name: str, where: str) -> Mapping[str, Any]:
    found = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(found, Mapping):
        raise InputError(where, type(found).__name__, "give what the spec declares")
    return found


def _kind(data: Mapping[str, Any], kind: str, where: str) -> None:
    if data.get("kind") != kind:
        raise InputError(f"{where}.kind", data.get("kind"), f"the spec declares {kind!r}")


def _floats(values: Any, where: str, most: int) -> Any:
    if (
        not isinstance(values, list)
        or len(values) > most
        or not all(type(value) in (int, float) for value in values)
    ):
        raise InputError(where, type(values).__name__, f"give at most {most} numbers")
    found = np.array(values, np.float64)
    if not np.isfinite(found).all():
        raise InputError(where, "not finite", "give finite numbers")
    return found
