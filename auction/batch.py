"""Many slates and their outcomes, laid end to end: what replay reads and a simulation writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from auction.columns import Results, UInt64
from auction.errors import InputError
from auction.outcome import Outcome
from auction.slate import AD_COLUMNS, ORGANIC_COLUMNS, POSITION_COLUMNS, Float64, Int8, Int64, Slate

_TYPES: dict[str, type[np.generic]] = {
    "seed": np.uint64,
    "positions_since_ad": np.int64,
    "ad_start": np.int64,
    "organic_start": np.int64,
    "hold_start": np.int64,
    **AD_COLUMNS,
    **ORGANIC_COLUMNS,
    **POSITION_COLUMNS,
}
PER_SLATE = ("seed", "positions_since_ad")
OPTIONAL = tuple(field.name for field in fields(Slate) if field.default is None)
"""Columns that a `Slate` may leave out."""

GROUPS = {"ad_start": AD_COLUMNS, "organic_start": ORGANIC_COLUMNS, "hold_start": POSITION_COLUMNS}
"""Columns laid end to end, by the offsets that say where each slate's part begins."""

_LAID = tuple(
    (starts, next(iter(names)), tuple((name, np.dtype(kind)) for name, kind in names.items()))
    for starts, names in GROUPS.items()
)


def column_of(slate: Slate, name: str) -> np.ndarray:
    """The slate's column, or what stands for one that was left out."""
    column: np.ndarray = getattr(slate, name)
    if column is None and name in OPTIONAL:
        return _left_out(name, len(slate.ad_id), slate.billable)
    return column


def _left_out(name: str, ads: int, billable: np.ndarray) -> np.ndarray:
    """What stands for a column that a `Slate` may leave out."""
    return billable if name == "goal" else np.zeros(0 if name == "hold" else ads, _TYPES[name])


def as_column(name: str, values: object) -> np.ndarray:
    """`values` as a contiguous column of the declared type.

    Raises:
        InputError: another type (ids and money are never taken from floats), or not one-dimensional.
    """
    want = np.dtype(_TYPES[name])
    column = np.asarray(values)
    if column.ndim != 1:
        raise InputError(name, column.shape, "give a column of one dimension")
    if column.dtype != want:
        kinds = "iu" if want.kind in "iu" else "iuf"
        if column.size and column.dtype.kind not in kinds:
            raise InputError(name, str(column.dtype), f"give a column of {want}")
        if column.size and want.kind in "iu":
            info = np.iinfo(want)
            low, high = int(column.min()), int(column.max())
            if low < info.min or high > info.max:
                raise InputError(name, low if low < info.min else high, f"give values that fit {want}")
        column = column.astype(want)
    return np.ascontiguousarray(column)


@dataclass(frozen=True, slots=True)
class SlateBatch:
    """Slates end to end. Slate n has ads ``ad_start[n]:ad_start[n + 1]``, organic items and held positions
    likewise.

    The columns are those of `Slate`; `seed` and `positions_since_ad` have one entry per slate.
    """

    seed: UInt64
    positions_since_ad: Int64
    ad_start: Int64
    organic_start: Int64
    hold_start: Int64
    ad_id: Int64
    advertiser_id: Int64
    campaign_id: Int64
    category_id: Int64
    billable: Int8
    goal: Int8
    bid_micros: Int64
    reserve_micros: Int64
    multiplier: Float64
    p_click: Float64
    p_conversion_given_click: Float64
    p_click_conversion: Float64
    p_view: Float64
    p_save: Float64
    p_hide: Float64
    tolerance: Int8
    relevance: Float64
    organic_utility: Float64
    organic_grade: Int8
    hold: Int8

    @classmethod
    def filled(cls, **columns: Any) -> "SlateBatch":
        """A batch of columns, those that a `Slate` may leave out filled as they are there."""
        slates, ads = len(columns["seed"]), len(columns["ad_id"])
        missing: dict[str, Any] = {
            "positions_since_ad": np.full(slates, -1, np.int64),
            "hold_start": np.zeros(slates + 1, np.int64),
        }
        missing |= {name: _left_out(name, ads, columns["billable"]) for name in OPTIONAL}
        return cls(**missing | columns)

    @classmethod
    def of(cls, slates: Sequence[Slate]) -> "SlateBatch":
        """Lay slates end to end.

        Raises:
            InputError: columns of one slate differ in length or type, or a seed is not 64 bits.
        """
        if len(slates) == 1 and (alone := _lay_alone(slates[0])) is not None:
            return cls(**alone)
        for slate in slates:
            if not _is_whole(slate.seed, 0, 2**64):
                raise InputError("seed", slate.seed, "give an unsigned integer of 64 bits")
            if not _is_whole(slate.positions_since_ad, -1, 2**31):
                raise InputError("positions_since_ad", slate.positions_since_ad, "give -1 or a count")
        columns: dict[str, np.ndarray] = {
            "seed": np.array([slate.seed for slate in slates], np.uint64),
            "positions_since_ad": np.array([slate.positions_since_ad for slate in slates], np.int64),
        }
        for starts, names in GROUPS.items():
            start = columns[starts] = np.zeros(len(slates) + 1, np.int64)
            leader = next(iter(names))
            for name in names:
                parts = [as_column(name, column_of(slate, name)) for slate in slates]
                for n, part in enumerate(parts):
                    if name == leader:
                        start[n + 1] = start[n] + len(part)
                    elif len(part) != start[n + 1] - start[n]:
                        fix = f"give as many as {leader} has: {start[n + 1] - start[n]}"
                        raise InputError(name, len(part), fix)
                columns[name] = parts[0] if len(parts) == 1 else _join(name, parts)
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.seed)

    def slate(self, n: int) -> Slate:
        """Slate n, as views of the columns."""
        parts: dict[str, np.ndarray] = {}
        for starts, names in GROUPS.items():
            start = getattr(self, starts)
            part = slice(int(start[n]), int(start[n + 1]))
            parts |= {name: getattr(self, name)[part] for name in names}
        return Slate(seed=int(self.seed[n]), positions_since_ad=int(self.positions_since_ad[n]), **parts)

    def take(self, rows: Int64) -> "SlateBatch":
        """The slates at `rows`, in that order."""
        columns: dict[str, Any] = {
            "seed": self.seed[rows],
            "positions_since_ad": self.positions_since_ad[rows],
        }
        for starts, names in GROUPS.items():
            columns[starts], entry = entries_of(getattr(self, starts), rows)
            columns |= {name: getattr(self, name)[entry] for name in names}
        return SlateBatch(**columns)

    def checked(self) -> "SlateBatch":
        """The same with every column of its declared type.

        Raises:
            InputError: lengths that do not agree, offsets that fall or do not cover the columns.
        """
        columns = {field.name: as_column(field.name, getattr(self, field.name)) for field in fields(self)}
        for start, names in GROUPS.items():
            offsets = columns[start]
            if len(offsets) != len(columns["seed"]) + 1:
                raise InputError(
                    start, len(offsets), f"give one more than slates: {len(columns['seed']) + 1}"
                )
            falls = np.flatnonzero(np.diff(offsets) < 0)
            if offsets[0] != 0 or len(falls):
                at = int(falls[0]) + 1 if len(falls) else 0
                raise InputError(f"{start}[{at}]", int(offsets[at]), "start at 0 and do not fall")
            for name in names:
                if len(columns[name]) != offsets[-1]:
                    raise InputError(name, len(columns[name]), f"give {offsets[-1]} entries, as {start} says")
        since = columns["positions_since_ad"]
        if len(since) != len(columns["seed"]):
            raise InputError("positions_since_ad", len(since), "give one per slate")
        wrong = np.flatnonzero((since < -1) | (since >= 2**31))
        if len(wrong):
            at = int(wrong[0])
            raise InputError(f"positions_since_ad[{at}]", int(since[at]), "give -1 or a count")
        return SlateBatch(**columns)


def entries_of(start: Int64, rows: Int64) -> tuple[Int64, Int64]:
    """CSR rows taken from CSR offsets [m + 1]: the new offsets and the old index of every entry."""
    lengths = start[rows + 1] - start[rows]
    fresh = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    index = np.arange(fresh[-1], dtype=np.int64) + np.repeat(start[rows] - fresh[:-1], lengths)
    return fresh, index


def _lay_alone(slate: Slate) -> dict[str, Any] | None:
    """The columns of a batch of one slate where each is as declared already; None where any is not."""
    if not (_is_whole(slate.seed, 0, 2**64) and _is_whole(slate.positions_since_ad, -1, 2**31)):
        return None
    columns: dict[str, Any] = {
        "seed": np.array((slate.seed,), np.uint64),
        "positions_since_ad": np.array((slate.positions_since_ad,), np.int64),
    }
    for starts, leader, named in _LAID:
        shape = getattr(slate, leader)
        shape = (0,) if shape is None else np.shape(shape)
        if len(shape) != 1:
            return None
        for name, kind in named:
            column = getattr(slate, name)
            if column is None:
                column = column_of(slate, name)
            if (
                type(column) is not np.ndarray
                or column.dtype is not kind
                or column.shape != shape
                or not column.flags.c_contiguous
            ):
                return None
            columns[name] = column
        columns[starts] = np.array((0, shape[0]), np.int64)
    return columns


def _is_whole(value: object, low: int, end: int) -> bool:
    return isinstance(value, int | np.integer) and low <= int(value) < end


def _join(name: str, parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, _TYPES[name])


@dataclass(frozen=True, slots=True)
class OutcomeBatch:
    """Outcomes end to end, in the order of the batch they came from; fields as in `Outcome`."""

    ad_start: Int64
    position: Int64
    exposure: Float64
    price_micros: Int64
    setter: Int8
    setter_ad_id: Int64
    reason: Int8
    value_micros: Float64
    """[slates], as the two that follow."""
    organic_value_micros: Float64
    organic_only_value_micros: Float64
    exact: Int8

    @classmethod
    def of(cls, ad_start: Int64, results: Results) -> "OutcomeBatch":
        return cls(ad_start, *results)

    def __len__(self) -> int:
        return len(self.value_micros)

    def __getitem__(self, n: int) -> Outcome:
        """The outcome of slate n, as views of the columns."""
        if not 0 <= n < len(self):
            raise IndexError(n)
        ads = slice(int(self.ad_start[n]), int(self.ad_start[n + 1]))
        return Outcome(
            position=self.position[ads],
            exposure=self.exposure[ads],
            price_micros=self.price_micros[ads],
            setter=self.setter[ads],
            setter_ad_id=self.setter_ad_id[ads],
            reason=self.reason[ads],
            value_micros=float(self.value_micros[n]),
            organic_value_micros=float(self.organic_value_micros[n]),
            organic_only_value_micros=float(self.organic_only_value_micros[n]),
            exact=bool(self.exact[n]),
        )

    def __iter__(self) -> Iterator[Outcome]:
        return (self[n] for n in range(len(self)))
