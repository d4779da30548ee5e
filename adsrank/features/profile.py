"""What a column of a table of any size is like, from one pass over its pieces in bounded memory."""

from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.features import fingerprint
from adsrank.features.scale import LARGEST
from adsrank.features.source import Float64, Int64

SKETCH, SAMPLE = 4_096, 16_384
_DIGITS = r"^[-+]?[0-9]+$"
_PADDED = r"^[-+]?0[0-9]+$"
_SEPARATOR = r"[|;^ ]"
_LISTED = r"^[-+]?[0-9]+([|;^ ][-+]?[0-9]+)*$"


class Kind(StrEnum):
    """What the values are; text in a CSV file is what all of its values can be read as."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    TIME = "time"
    INTEGER_LIST = "list of integers"
    NUMBER_LIST = "list of numbers"
    OTHER = "other"


class Profile:
    """Counts of one column; `observe` it piece by piece.

    Distinct values are counted exactly up to `SKETCH` and beyond that estimated from the smallest
    fingerprints seen (the k minimum values sketch of Bar-Yossef et al., 2002; its standard error is
    1 / sqrt(k), 1.6 %). Quantiles are those of at most `SAMPLE` values drawn evenly by row number.

    Attributes:
        rows, missing: counts; infinite numbers are missing.
        kind: None while nothing but missing values was seen.
        lengths: of lists, (least, most) elements.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = 0
        self.missing = 0
        self.kind: Kind | None = None
        self._listed, self._separated = True, False
        self.lengths: tuple[int, int] | None = None
        self._sketch = np.zeros(0, np.uint64)
        self._places = np.zeros(0, np.uint64)
        self._sample = np.zeros(0)

    def observe(self, values: pa.Array) -> None:
        """Add the next values of the column."""
        before, self.rows = self.rows, self.rows + len(values)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        self.missing += values.null_count
        known = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        values = values.drop_null()
        if not len(values):
            return
        kind, numbers = _read(values, self.kind)
        self.kind = kind
        if kind in (Kind.INTEGER_LIST, Kind.NUMBER_LIST):
            numbers = pc.list_value_length(values).to_numpy(zero_copy_only=False)
            low, high = int(numbers.min()), int(numbers.max())
            if self.lengths is not None:
                low, high = min(low, self.lengths[0]), max(high, self.lengths[1])
            self.lengths = low, high
        elif kind is not Kind.OTHER:
            self._count(values.filter(pc.is_finite(values)) if pa.types.is_floating(values.type) else values)
        if kind is Kind.STRING and self._listed:
            texts = values.cast(pa.string())
            self._listed = bool(pc.all(pc.match_substring_regex(texts, _LISTED)).as_py())
            self._separated |= bool(pc.any(pc.match_substring_regex(texts, _SEPARATOR)).as_py())
        if numbers is None:
            self._places, self._sample = self._places[:0], self._sample[:0]
            return
        finite = np.isfinite(numbers)
        self.missing += int(np.count_nonzero(~finite))
        self._draw(numbers[finite].astype(np.float64), before + known[finite])

    @property
    def listed(self) -> bool:
        """Whether the texts are integers with a separator between them, as many to a text as there may be."""
        return self.kind is Kind.STRING and self._listed and self._separated

    @property
    def whole(self) -> bool:
        """Whether all numbers drawn are whole, as ids are that a missing value turned into floats."""
        return len(self._sample) > 0 and bool((self._sample == np.round(self._sample)).all())

    @property
    def distinct(self) -> int:
        """Distinct values, estimated beyond `SKETCH`; 0 for lists."""
        if len(self._sketch) < SKETCH:
            return len(self._sketch)
        return round((SKETCH - 1) / (float(self._sketch[-1]) / 2.0**64))

    @property
    def known(self) -> int:
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 1.0

    def quantile(self, share: float) -> float:
        """Of the numbers (of lists: of their lengths); NaN without any."""
        return float(np.quantile(self._sample, share)) if len(self._sample) else float("nan")

    @property
    def skew(self) -> float:
        """Third standardized moment of the numbers; 0 where they do not vary."""
        sample = np.clip(self._sample, -LARGEST, LARGEST)
        if len(sample) < 3 or sample.std() < 1e-12:
            return 0.0
        away = (sample - sample.mean()) / sample.std()
        return float((away**3).mean())

    @property
    def least(self) -> float:
        return float(self._sample.min()) if len(self._sample) else float("nan")

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.name,
            "kind": self.kind,
            "rows": self.rows,
            "missing_share": round(self.missing_share, 6),
            "distinct": self.distinct,
            "skew": round(self.skew, 3),
        }

    def _count(self, values: pa.Array) -> None:
        if pa.types.is_large_string(values.type) or not pa.types.is_string(values.type):
            values = values.cast(pa.string())
        found = fingerprint.of_strings(pc.unique(values))[0]
        self._sketch = np.unique(np.concatenate([self._sketch, found]))[:SKETCH]

    def _draw(self, numbers: Float64, places: Int64) -> None:
        keys = np.concatenate([self._places, fingerprint.mix(places.astype(np.uint64))])
        sample = np.concatenate([self._sample, numbers])
        if len(keys) > SAMPLE:
            kept = np.argpartition(keys, SAMPLE)[:SAMPLE]
            keys, sample = keys[kept], sample[kept]
        self._places, self._sample = keys, sample


def _read(values: pa.Array, before: Kind | None) -> tuple[Kind, np.ndarray | None]:
    """The kind of values that hold no null, given that of those before, and the numbers they are."""
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _read_text(values, before)
    if pa.types.is_boolean(kind):
        return Kind.BOOLEAN, None
    if pa.types.is_integer(kind):
        return Kind.INTEGER, values.to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return Kind.NUMBER, values.to_numpy(zero_copy_only=False)
    if pa.types.is_temporal(kind):
        return Kind.TIME, None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_integer(kind.value_type):
            return Kind.INTEGER_LIST, None
        if pa.types.is_floating(kind.value_type):
            return Kind.NUMBER_LIST, None
    return Kind.OTHER, None


def _read_text(values: pa.Array, before: Kind | None) -> tuple[Kind, np.ndarray | None]:
    """Integers where all fit, else numbers where all are; digits with zeros in front are ids, so text."""
    if before in (None, Kind.INTEGER, Kind.NUMBER):
        if pc.any(pc.match_substring_regex(values, _PADDED)).as_py():
            return Kind.STRING, None
        if before is not Kind.NUMBER and pc.all(pc.match_substring_regex(values, _DIGITS)).as_py():
            try:
                return Kind.INTEGER, values.cast(pa.int64()).to_numpy(zero_copy_only=False)
            except pa.ArrowInvalid:
                return Kind.STRING, None  # digits beyond 64 bits: an id, which a float would round
        try:
            found = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            return Kind.TIME if before is None and _is_time(values) else Kind.STRING, None
        return Kind.NUMBER, found
    if before is Kind.TIME and _is_time(values):
        return Kind.TIME, None
    return Kind.STRING, None


def _is_time(values: pa.Array) -> bool:
    try:
        values.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True
