"""Many slates and their outcomes, laid end to end: what replay reads and a simulation writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from auction.columns import Results, UInt64
from auction.errors import InputError
from auction.outcome import Outcome
from auction.slate import Float64, Int8, Int64, Slate

_TYPES: dict[str, type[np.generic]] = {
    "seed": np.uint64,
    "positions_since_ad": np.int64,
    "ad_start": np.int64,
    "organic_start": np.int64,
    "ad_id": np.int64,
    "advertiser_id": np.int64,
    "campaign_id": np.int64,
    "billable": np.int8,
    "bid_micros": np.int64,
    "multiplier": np.float64,
    "p_click": np.float64,
    "p_conversion_given_click": np.float64,
    "p_click_conversion": np.float64,
    "p_save": np.float64,
    "p_hide": np.float64,
    "tolerance": np.int8,
    "relevance": np.float64,
    "organic_utility": np.float64,
    "organic_grade": np.int8,
}
PER_SLATE = ("seed", "positions_since_ad", "ad_start", "organic_start")
PER_ORGANIC = ("organic_utility", "organic_grade")
PER_AD = tuple(name for name in _TYPES if name not in PER_SLATE and name not in PER_ORGANIC)


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
    """Slates end to end. Slate n has ads ``ad_start[n]:ad_start[n + 1]``, organic items likewise.

    The columns are those of `Slate`; `seed` and `positions_since_ad` have one entry per slate.
    """

    seed: UInt64
    positions_since_ad: Int64
    ad_start: Int64
    organic_start: Int64
    ad_id: Int64
    advertiser_id: Int64
    campaign_id: Int64
    billable: Int8
    bid_micros: Int64
    multiplier: Float64
    p_click: Float64
    p_conversion_given_click: Float64
    p_click_conversion: Float64
    p_save: Float64
    p_hide: Float64
    tolerance: Int8
    relevance: Float64
    organic_utility: Float64
    organic_grade: Int8

    @classmethod
    def of(cls, slates: Sequence[Slate]) -> "SlateBatch":
        """Lay slates end to end.

        Raises:
            InputError: columns of one slate differ in length or type, or a seed is not 64 bits.
        """
        for slate in slates:
            if not 0 <= slate.seed < 2**64:
                raise InputError("seed", slate.seed, "give an unsigned integer of 64 bits")
            if not -1 <= slate.positions_since_ad < 2**31:
                raise InputError("positions_since_ad", slate.positions_since_ad, "give -1 or a count")
        ad_start = np.zeros(len(slates) + 1, np.int64)
        organic_start = np.zeros(len(slates) + 1, np.int64)
        columns: dict[str, np.ndarray] = {
            "seed": np.array([slate.seed for slate in slates], np.uint64),
            "positions_since_ad": np.array([slate.positions_since_ad for slate in slates], np.int64),
        }
        for names, start in ((PER_AD, ad_start), (PER_ORGANIC, organic_start)):
            for name in names:
                parts = [as_column(name, getattr(slate, name)) for slate in slates]
                for n, part in enumerate(parts):
                    if name == names[0]:
                        start[n + 1] = start[n] + len(part)
                    elif len(part) != start[n + 1] - start[n]:
                        fix = f"give as many as {names[0]} has: {start[n + 1] - start[n]}"
                        raise InputError(name, len(part), fix)
                columns[name] = parts[0] if len(parts) == 1 else _join(name, parts)
        return cls(ad_start=ad_start, organic_start=organic_start, **columns)

    def __len__(self) -> int:
        return len(self.seed)

    def slate(self, n: int) -> Slate:
        """Slate n, as views of the columns."""
        ads = slice(int(self.ad_start[n]), int(self.ad_start[n + 1]))
        organics = slice(int(self.organic_start[n]), int(self.organic_start[n + 1]))
        return Slate(
            seed=int(self.seed[n]),
            positions_since_ad=int(self.positions_since_ad[n]),
            **{name: getattr(self, name)[ads] for name in PER_AD},
            **{name: getattr(self, name)[organics] for name in PER_ORGANIC},
        )

    def checked(self) -> "SlateBatch":
        """The same with every column of its declared type.

        Raises:
            InputError: lengths that do not agree, offsets that fall or do not cover the columns.
        """
        columns = {field.name: as_column(field.name, getattr(self, field.name)) for field in fields(self)}
        for names, start in ((PER_AD, "ad_start"), (PER_ORGANIC, "organic_start")):
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
        )

    def __iter__(self) -> Iterator[Outcome]:
        return (self[n] for n in range(len(self)))
