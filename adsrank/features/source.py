"""Reading a source column, from a pyarrow table (training) or a mapping of numpy columns (serving).

In a mapping, a scalar (or, for lists, one flat list) stands for the whole request: it is read as one
row and is not copied a candidate. None is a missing value; an absent column is an error, because a
feature that silently went missing is the usual cause of training/serving skew.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.errors import InputError

Columns: TypeAlias = pa.Table | Mapping[str, Any]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


def column(columns: Columns, name: str) -> Any:
    """The raw column: a pyarrow array, or what the mapping holds.

    Raises:
        InputError: the column is absent.
    """
    if isinstance(columns, pa.Table):
        if name not in columns.column_names:
            raise InputError(name, "absent", "every source of the feature table must be a column")
        return columns[name].combine_chunks()
    try:
        return columns[name]
    except KeyError:
        raise InputError(name, "absent", "every source of the feature table must be a column") from None


def integers(columns: Columns, name: str) -> tuple[Int64, Bool | None]:
    """Values (int64 [n] or [1]) and where they are missing (None: nowhere)."""
    raw = column(columns, name)
    if isinstance(raw, pa.Array):
        return _arrow_integers(raw, name)
    if raw is None:
        return np.zeros(1, np.int64), np.ones(1, np.bool_)
    if isinstance(raw, (int, np.integer)) and not isinstance(raw, bool):
        raw = [raw]
    values = np.asarray(raw)
    if values.dtype == object or values.dtype == np.uint64:  # may hold what int64 does not
        return _arrow_integers(_to_arrow(values, name), name)
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise InputError(name, str(values.dtype), "give one int64 column (ids are never floats)")
    return values.astype(np.int64, copy=False), None


def _arrow_integers(raw: pa.Array, name: str) -> tuple[Int64, Bool | None]:
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    if pa.types.is_null(raw.type):
        return np.zeros(len(raw), np.int64), np.ones(len(raw), np.bool_)
    if pa.types.is_boolean(raw.type):
        raw = raw.cast(pa.int8())
    if not pa.types.is_integer(raw.type):
        raise InputError(name, str(raw.type), "give an integer column (ids are never floats)")
    missing = raw.is_null().to_numpy(zero_copy_only=False) if raw.null_count else None
    try:
        values = pc.fill_null(raw, 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid as error:
        raise InputError(name, str(raw.type), f"give values that fit int64 ({error})") from None
    return values, missing


def strings(columns: Columns, name: str) -> pa.Array:
    """A string array of length n or 1, with nulls where missing."""
    raw = column(columns, name)
    if raw is None or isinstance(raw, str):
        return pa.array([None if raw is None else str(raw)], pa.string())
    if isinstance(raw, pa.Array):
        array = raw
        try:
            array.validate(full=True)  # a file may say UTF-8 of any bytes
        except pa.ArrowInvalid as error:
            raise InputError(name, "no text", str(error).split("\n")[0]) from None
    else:
        array = _to_arrow(raw, name)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type) or pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    if not pa.types.is_string(array.type):
        raise InputError(name, str(array.type), "give a string column")
    return array


def numbers(columns: Columns, name: str) -> Float64:
    """Values (float64 [n] or [1]); NaN where missing. Infinities are missing too."""
    raw = column(columns, name)
    if isinstance(raw, pa.Array):
        if pa.types.is_null(raw.type):
            return np.full(len(raw), np.nan)
        if not (pa.types.is_integer(raw.type) or pa.types.is_floating(raw.type)):
            raise InputError(name, str(raw.type), "give a numeric column")
        values = raw.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)  # beyond 2^53 rounded
    elif raw is None:
        return np.full(1, np.nan)
    else:
        try:
            values = np.atleast_1d(np.asarray(raw, np.float64))
        except (TypeError, ValueError):
            raise InputError(name, type(raw).__name__, "give a numeric column") from None
        if values.ndim != 1:
            raise InputError(name, f"{values.ndim} dimensions", "give one column")
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.nan)


def lists(columns: Columns, name: str) -> tuple[Int64, Int64]:
    """Values (int64) and offsets (int64 [r + 1]) of a column of integer lists; null is empty."""
    raw = column(columns, name)
    if isinstance(raw, pa.Array):
        flat, offsets = _flat(raw, name, "integer")
        values, missing = _arrow_integers(flat, name)
        if missing is not None and missing.any():
            raise InputError(name, "a null inside a list", "leave the element out")
        return values, offsets
    values = _one_list(raw)
    if values.size == 0:
        return np.zeros(0, np.int64), np.zeros(2, np.int64)
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise InputError(name, str(values.dtype), "give one flat list of integers for the request")
    return values.astype(np.int64, copy=False), np.array([0, len(values)], np.int64)


def number_lists(columns: Columns, name: str) -> tuple[Float64, Int64]:
    """Values (float64, NaN where missing or infinite) and offsets (int64 [r + 1]); null is empty."""
    raw = column(columns, name)
    if isinstance(raw, pa.Array):
        flat, offsets = _flat(raw, name, "number")
        return numbers({name: flat}, name), offsets
    values = _one_list(raw)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iuf"):
        raise InputError(name, str(values.dtype), "give one flat list of numbers for the request")
    return numbers({name: values}, name), np.array([0, len(values)], np.int64)


def vectors(columns: Columns, name: str, size: int) -> tuple[Float32, Bool]:
    """Rows (float32 [n, size], or [1, size]) and which are missing: null, or with an element that is.

    A missing row is zeros. An empty list is missing; any other length than `size` is an error.
    """
    raw = column(columns, name)
    if raw is None:
        return np.zeros((1, size), np.float32), np.ones(1, np.bool_)
    if isinstance(raw, pa.Array):
        flat, offsets = _flat(raw, name, "number")
        lengths = np.diff(offsets)
        odd = (lengths != size) & (lengths != 0)
        if odd.any():
            raise InputError(name, f"{int(lengths[odd][0])} numbers", f"give {size} numbers a row, or null")
        there = np.flatnonzero(lengths)
        found = np.full((len(lengths), size), np.nan)
        found[there] = numbers({name: flat}, name).reshape(len(there), size)
    else:
        try:
            found = np.atleast_2d(np.asarray(raw, np.float64))
        except (TypeError, ValueError):
            raise InputError(
                name, type(raw).__name__, f"give {size} numbers, or an array [n, {size}]"
            ) from None
        if found.ndim != 2 or found.shape[1] != size:
            raise InputError(name, str(found.shape), f"give {size} numbers, or an array [n, {size}]")
    # Past float32's range a number is infinite, and so missing.
    with np.errstate(over="ignore"):
        small = found.astype(np.float32)
    missing = np.logical_not(np.isfinite(small).all(axis=1))
    small[missing] = 0.0
    return small, missing


def _one_list(raw: Any) -> npt.NDArray[Any]:
    return np.zeros(0, np.int64) if raw is None else np.asarray(raw)


def _flat(raw: pa.Array, name: str, kind: str) -> tuple[pa.Array, Int64]:
    """Elements and offsets of a column of lists."""
    if pa.types.is_null(raw.type):
        return pa.array([], pa.int64()), np.zeros(len(raw) + 1, np.int64)
    if pa.types.is_fixed_size_list(raw.type):
        raw = raw.cast(pa.list_(raw.type.value_type))
    if not (pa.types.is_list(raw.type) or pa.types.is_large_list(raw.type)):
        raise InputError(name, str(raw.type), f"give a column of {kind} lists")
    sizes = pc.fill_null(pc.list_value_length(raw), 0).to_numpy(zero_copy_only=False)
    # flatten() skips what lies under null lists
    return raw.flatten(), np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def shares(columns: Columns, name: str, other: str) -> Float64:
    """Share of the elements of list `name` that equal integer `other` (float64 [n]); NaN where unknown.

    Unknown is an empty list or a missing integer. One list for the whole request is compared with all.
    """
    values, offsets = lists(columns, name)
    wanted, missing = integers(columns, other)
    sizes = np.diff(offsets)
    if len(sizes) == 1 and len(wanted) != 1:
        found = (wanted[:, None] == values).mean(1) if len(values) else np.full(len(wanted), np.nan)
    elif len(sizes) != len(wanted):
        raise InputError(other, len(wanted), f"give {len(sizes)} values, one for each list of {name}")
    else:
        owner = np.repeat(np.arange(len(sizes)), sizes)
        hits = np.bincount(owner, values == wanted[owner], len(sizes))
        found = np.where(sizes > 0, hits / np.maximum(sizes, 1), np.nan)
    if missing is not None:
        found[missing] = np.nan
    return found


def other_length(name: str, found: int, wanted: int) -> InputError:
    """The error of a column that does not go with the others."""
    return InputError(name, found, f"give {wanted} values, as the other columns have")


def _to_arrow(values: Any, name: str) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(name, type(values).__name__, f"give a column of one type ({error})") from None
