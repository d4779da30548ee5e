"""The declared features: a table of rows (name, source, type, transform, group), in YAML.

Training and serving compile the same table (`features.transform.CompiledTransform`), so a feature is
defined once. What a row may read is an allow-list: the columns that are known before an ad is shown.
"""

import hashlib
import json
from enum import StrEnum
from importlib import resources
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from adsrank.features import examples
from auction.settings import Settings

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]

Source = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Name of a column, as the table has it."""

MAX_SEQUENCE = 100
"""Actions of a sequence: what a request may carry."""
MAX_ALSO = 3
"""Columns of an action beside the first."""

LATER_FIELDS = frozenset({"other_type", "also", "age", "size"})
"""Fields of a row that the first release did not have; left out of its JSON where not used."""

KNOWN_BEFORE_SHOWING = frozenset(
    field.name for field in (*examples.CONTEXT, *examples.AD, *examples.MATCH)
) - {"request_id", "time"}
"""Columns a feature may read. `request_id` and `time` identify a row and would be learned by heart."""

NEVER_FEATURES = frozenset(
    field.name for field in (*examples.PLACE, *examples.LABELS, *examples.MORE_LABELS)
) | {"request_id", "time"}
"""Labels come after the decision; position and gap belong to the slot and are counted there, once."""


class Type(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    LIST = "list"
    """Of integers."""
    VECTOR = "vector"
    """A fixed number of floats."""


CATEGORICAL = frozenset({Type.STRING, Type.INTEGER})


class Transform(StrEnum):
    VOCABULARY = "vocabulary"
    """Frequent values get an id each; 0 is missing, 1 is any other value."""
    HASH = "hash"
    """Values share `buckets` ids; 0 is missing. Collisions are counted."""
    BUCKETS = "buckets"
    """Quantiles of a number as ids; 0 is missing."""
    MULTI_HOT = "multi_hot"
    """A list of integers through a vocabulary, embeddings averaged; an empty list is missing."""
    SEQUENCE = "sequence"
    """The last actions in their order: lists of equal length, one column each of an action's interest,
    type, ..., and one of its age in seconds; 0 in a column is missing."""
    CROSS = "cross"
    """The pair of two values through a vocabulary; missing where either is."""
    CROSS_HASH = "cross_hash"
    """The pair of two values as one of `buckets` ids; missing where either is."""
    EMBEDDING = "embedding"
    """`size` floats as they are, and a flag where they are missing."""
    SHARE = "share"
    """Share of a list's elements that equal the integer `other`, standardized; an empty list is missing."""
    STANDARDIZE = "standardize"
    LOG_SQUASH = "log_squash"
    """sign(x) log(1 + |x|), then standardized."""
    NUMBER = "number"
    """As it is, less its mean (so that a missing value, 0, is neutral), within 8 of it."""


NUMERIC = frozenset({Transform.SHARE, Transform.STANDARDIZE, Transform.LOG_SQUASH, Transform.NUMBER})
"""One value and one flag each."""

CROSSES = frozenset({Transform.CROSS, Transform.CROSS_HASH})

NEEDED_BY = {
    "other": (Transform.SHARE, Transform.CROSS, Transform.CROSS_HASH),
    "age": (Transform.SEQUENCE,),
    "size": (Transform.EMBEDDING,),
}
"""Fields of a row that these transforms need and that no other takes."""

SINGLE = frozenset({Transform.VOCABULARY, Transform.HASH, Transform.BUCKETS}) | CROSSES
"""One id each: a column of a batch's `ids`."""

ALLOWED: dict[Transform, frozenset[Type]] = {
    Transform.VOCABULARY: CATEGORICAL,
    Transform.HASH: CATEGORICAL,
    Transform.CROSS: CATEGORICAL,
    Transform.CROSS_HASH: CATEGORICAL,
    Transform.BUCKETS: frozenset({Type.NUMBER}),
    Transform.MULTI_HOT: frozenset({Type.LIST}),
    Transform.SEQUENCE: frozenset({Type.LIST}),
    Transform.EMBEDDING: frozenset({Type.VECTOR}),
    Transform.SHARE: frozenset({Type.LIST}),
    Transform.STANDARDIZE: frozenset({Type.NUMBER}),
    Transform.LOG_SQUASH: frozenset({Type.NUMBER}),
    Transform.NUMBER: frozenset({Type.NUMBER}),
}


class Group(StrEnum):
    REQUEST = "request"
    AD = "ad"
    MATCH = "match"


class FeatureRow(Settings):
    """One feature."""

    name: Name
    source: Source
    type: Type
    transform: Transform
    group: Group
    table: Name | None = Field(None, description="Rows of one table share vocabulary and embedding.")
    min_count: int = Field(2, ge=1, description="Rarer values of a vocabulary are 'any other'.")
    max_size: int = Field(1_000_000, ge=1, le=10_000_000, description="Values kept in a vocabulary.")
    buckets: int = Field(32, ge=2, le=10_000_000, description="Of hash, cross_hash and buckets.")
    max_length: int = Field(20, ge=1, le=256, description="Of multi_hot and sequence: the last are kept.")
    other: Source | None = Field(
        None, description="Of share: the integer column that is looked for. Of a cross: the second column."
    )
    other_type: Type | None = Field(None, description="Of a cross: type of `other`; default: as `type`.")
    also: dict[Source, Name] = Field(
        default_factory=dict, description="Of sequence: more columns of an action, each with its table."
    )
    age: Source | None = Field(None, description="Of sequence: the column of seconds before the request.")
    size: int | None = Field(None, ge=1, le=4096, description="Of embedding: how many floats.")
    cheap: bool = Field(False, description="A number that the first-stage ranker reads too.")

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A row that uses none of the later fields reads, and hashes, as it did before there were any."""
        data: dict[str, Any] = handler(self)
        return {
            name: value
            for name, value in data.items()
            if name not in LATER_FIELDS or value not in (None, {}, [])
        }

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type not in ALLOWED[self.transform]:
            legal = ", ".join(sorted(ALLOWED[self.transform]))
            raise ValueError(f"feature {self.name!r}: {self.transform} takes {legal}, not {self.type}")
        for source in self.sources:
            if source in NEVER_FEATURES:
                raise ValueError(
                    f"feature {self.name!r}: source {source!r} is not known before an ad is shown"
                )
        for field, transforms in NEEDED_BY.items():
            if (getattr(self, field) is not None) != (self.transform in transforms):
                names = ", ".join(transforms)
                raise ValueError(f"feature {self.name!r}: `{field}` goes with {names}; those need it")
        if self.other_type is not None and self.transform not in CROSSES:
            raise ValueError(f"feature {self.name!r}: `other_type` goes with a cross")
        if self.also and self.transform is not Transform.SEQUENCE:
            raise ValueError(f"feature {self.name!r}: `also` goes with sequence")
        if self.other_type is not None and self.other_type not in CATEGORICAL:
            raise ValueError(f"feature {self.name!r}: other_type: give string or integer")
        if len(set(self.sources)) < len(self.sources):
            raise ValueError(f"feature {self.name!r}: a source stands twice")
        if self.transform is Transform.SHARE and self.of_request:
            raise ValueError(f"feature {self.name!r}: a share compares request and ad: its group is match")
        if self.transform is Transform.SEQUENCE:
            if not self.of_request:
                raise ValueError(f"feature {self.name!r}: a sequence is the user's: its group is request")
            if self.max_length > MAX_SEQUENCE or len(self.also) > MAX_ALSO:
                raise ValueError(
                    f"feature {self.name!r}: a sequence has at most {MAX_SEQUENCE} actions (max_length) "
                    f"of {1 + MAX_ALSO} columns"
                )
        if self.cheap and self.transform not in NUMERIC:
            raise ValueError(f"feature {self.name!r}: only numbers can be cheap, not {self.transform}")
        return self

    @property
    def embedding(self) -> str:
        """Name of the embedding table the row (of a sequence: its first column) reads."""
        return self.table or self.name

    @property
    def tables(self) -> list[tuple[str, str]]:
        """Embedding tables with the column that is looked up in each; none for numbers."""
        if self.transform in NUMERIC or self.transform is Transform.EMBEDDING:
            return []
        return [(self.embedding, self.source), *((table, column) for column, table in self.also.items())]

    @property
    def sources(self) -> list[str]:
        """The columns the row reads."""
        more = [name for name in (self.other, self.age) if name is not None]
        return [self.source, *self.also, *more]

    @property
    def of_request(self) -> bool:
        return self.group is Group.REQUEST


class FeatureSpec(Settings):
    """The table of features."""

    version: int = Field(1, ge=1, le=1)
    extra_sources: list[Source] = Field(
        default_factory=list, description="Columns beyond the schema that are known before an ad is shown."
    )
    features: list[FeatureRow] = Field(min_length=1, max_length=512)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known = KNOWN_BEFORE_SHOWING | set(self.extra_sources)
        seen: set[str] = set()
        tables: dict[str, FeatureRow] = {}
        for row in self.features:
            if row.name in seen:
                raise ValueError(f"feature {row.name!r} stands twice")
            seen.add(row.name)
            for source in row.sources:
                if source not in known:
                    raise ValueError(
                        f"feature {row.name!r}: unknown source {source!r}; known: {', '.join(sorted(known))}"
                    )
            for table, _ in row.tables:
                first = tables.setdefault(table, row)
                if _vocabulary_of(first) != _vocabulary_of(row):
                    raise ValueError(
                        f"table {table!r}: {first.name!r} and {row.name!r} differ in kind of values, "
                        "min_count, max_size or buckets; rows of one table must agree"
                    )
        if all(row.of_request for row in self.features):
            raise ValueError("features: none tells one ad from another; add a row of group ad or match")
        return self

    @classmethod
    def default(cls) -> Self:
        """The table the package ships (`default.yaml` beside this file)."""
        text = resources.files("adsrank.features").joinpath("default.yaml").read_text(encoding="utf-8")
        return cls.model_validate(yaml.safe_load(text))

    @property
    def hash(self) -> str:
        """16 hex digits over the canonical JSON: equal tables have equal hashes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _vocabulary_of(row: FeatureRow) -> tuple[object, ...]:
    """What rows of one table must agree on."""
    if row.transform in (Transform.VOCABULARY, Transform.MULTI_HOT, Transform.SEQUENCE):
        return ("vocabulary", row.type is Type.STRING, row.min_count, row.max_size)
    if row.transform is Transform.HASH:
        return ("hash", row.type, row.buckets)
    return (row.transform, row.name)  # quantiles of one number, pairs of two columns: nobody else's
