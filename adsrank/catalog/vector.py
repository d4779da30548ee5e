"""The embedding of an ad as it is kept: 32-bit floats in an `array`, comparable and compact."""

from array import array
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from adsrank.errors import InputError
from adsrank.request import MAX_DIMENSION

MAX_COMPONENT = 1e6
MIN_NORM = 1e-6
"""Shorter vectors have no direction that could be trusted in 32 bits."""

if TYPE_CHECKING:
    Floats = array[float]
else:  # Python 3.11's array takes no parameter
    Floats = array

_COMPONENTS = TypeAdapter(
    Annotated[
        list[Annotated[float, Field(ge=-MAX_COMPONENT, le=MAX_COMPONENT, allow_inf_nan=False)]],
        Field(min_length=1, max_length=MAX_DIMENSION),
    ]
).core_schema


def _to_array(values: list[float]) -> Floats:
    vector = array("f", values)
    if float(np.linalg.norm(np.frombuffer(vector, np.float32).astype(np.float64))) < MIN_NORM:
        raise ValueError("has no direction (all zeros); give a non-zero vector or null")
    return vector


class _Vector:
    """Accepts a list of finite numbers, or an `array` of floats read back from the store."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.chain_schema(
            [
                core_schema.no_info_plain_validator_function(
                    lambda value: value.tolist() if isinstance(value, array) else value
                ),
                _COMPONENTS,
                core_schema.no_info_plain_validator_function(_to_array),
            ],
            serialization=core_schema.plain_serializer_function_ser_schema(list),
        )


Vector = Annotated[Floats, _Vector]


def unit_rows(vectors: np.ndarray, field: str = "embedding") -> np.ndarray:
    """Rows of `vectors` [n, d] divided by their length: float32 [n, d], C-contiguous, read-only.

    Raises:
        InputError: a component that is not finite or a row without direction; names the row.
    """
    exact = np.asarray(vectors, np.float64)
    if exact.ndim != 2:
        raise InputError(field, exact.shape, "give a matrix, one row a vector")
    length = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    bad = np.flatnonzero(~(np.isfinite(length) & (length >= MIN_NORM)))
    if len(bad):
        raise InputError(f"{field}[{bad[0]}]", float(length[bad[0]]), "finite numbers, not all zero")
    unit = np.ascontiguousarray(exact / length[:, None], np.float32)
    unit.flags.writeable = False
    return unit
