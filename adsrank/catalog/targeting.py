"""Whom an ad group wants to reach. A dimension left out means all."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from adsrank.request import Surface

Country = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{2}$")]
"""ISO 3166 alpha-2, kept in capitals."""

Language = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"),
]
"""A language tag, kept in small letters; ``en`` accepts ``en-GB`` too."""

Device = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[A-Za-z0-9_-]{1,16}$")
]
Interest = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
"""A node of the interest tree."""


T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if not values:
        raise ValueError("is empty; leave it out to reach all")
    return list(dict.fromkeys(values))


_SET = AfterValidator(_distinct)


class Targeting(BaseModel):
    """The targeting spec: an ad group accepts a request that matches every dimension it names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    countries: Annotated[list[Country], Field(max_length=250), _SET] | None = None
    languages: Annotated[list[Language], Field(max_length=200), _SET] | None = None
    devices: Annotated[list[Device], Field(max_length=16), _SET] | None = None
    surfaces: Annotated[list[Surface], Field(max_length=8), _SET] | None = None
    interests: Annotated[list[Interest], Field(max_length=1000), _SET] | None = None
