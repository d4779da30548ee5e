"""Labels, places and times of a training table, checked."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.errors import InputError
from adsrank.models.exposure import ExposureCurve
from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.targets import LateRule

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

SECOND_US = 1_000_000
MOMENTS = (-62_135_596_800 * SECOND_US, 253_402_300_799 * SECOND_US)
"""The years 1 to 9999, which a calendar can say."""
MAX_POSITION = 1_000_000
MAX_MICROS = 10**15


@dataclass(frozen=True, slots=True)
class Labels:
    """Aligned columns [n] of what came of each shown ad, oldest first."""

    time: Int64
    """Microseconds since 1970, UTC, not decreasing."""
    position: Int64
    """1-based."""
    gap: Int64
    """Positions from the ad before; 0 where there is none."""
    click: Float64
    save: Float64
    hide: Float64
    conversion: Float64
    mature: Bool
    """The attribution window was over when the table ended: no conversion is still to come."""
    long_click: Float64 | None = None
    """A click whose visit lasted; None where the table does not have the column."""
    order_value: Float64 | None = None
    """Micros of the conversion, 0 without one; None where the table does not have the column."""
    delay_s: Float64 | None = None
    """Seconds from click to conversion, 0 without one; None where the table does not have the column."""
    elapsed_s: Float64 | None = None
    """Seconds from the ad shown to the table's last row."""
    known: Float64 | None = None
    """The share of conversions known at the row's age, by a law of older clicks too; None: by the law of the
    rows that are trained on."""

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def read(cls, table: pa.Table, attribution_days: float, until: int | None = None, first: int = 0) -> Self:
        """From a table, or a piece of one.

        Where the table tells the conversions' delays, those past the window no longer count: a shorter
        window than the table was joined with changes the labels. A window of 0 takes labels as final.

        Parameters:
            until: of a piece, the moment of the whole table's last row (microseconds since 1970).
            first: of a piece, the number of its first row, by which errors name rows.

        Raises:
            InputError: a column absent or of another type, or a value out of range; names row and value.
        """
        read = _Reader(table, first)
        time = read.integers("time", *MOMENTS)
        if len(time) == 0:
            raise InputError("table", "no rows", "give a table of shown ads")
        click = read.flags("click")
        conversion = read.flags("conversion")
        stray = np.flatnonzero((conversion > 0) & (click == 0))
        if len(stray):
            raise InputError(
                f"conversion[{first + stray[0]}]",
                1,
                "a conversion needs its click: attribute it to a clicked row",
            )
        window = int(attribution_days * 86_400 * SECOND_US)
        last = int(time.max()) if until is None else until
        delay, elapsed = None, (last - time) / SECOND_US
        if "conversion_delay_s" in table.column_names:
            delay = read.delays(conversion)
            if window:
                conversion = np.where(delay > window / SECOND_US, 0.0, conversion)
                delay = np.where(conversion > 0, delay, 0.0)
        return cls(
            time,
            read.integers("position", 1, MAX_POSITION),
            read.integers("gap", 0, MAX_POSITION),
            click,
            read.flags("save"),
            read.flags("hide"),
            conversion,
            time + window <= last,
            long_click=read.flags("long_click") if "long_click" in table.column_names else None,
            order_value=read.order_value() if "value_micros" in table.column_names else None,
            delay_s=delay,
            elapsed_s=elapsed,
        )

    def take(self, rows: Int64 | slice) -> "Labels":
        """The labels of `rows`."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in Labels.__dataclass_fields__}
        return replace(self, **{name: c[rows] for name, c in columns.items() if c is not None})

    def exposure(self, curve: ExposureCurve) -> Float64:
        """e g of each row's place, in (0, 1]."""
        return np.maximum(curve.of(self.position, self.gap), 1e-6)

    def feedback(self, window_s: float) -> Feedback:
        """What was known of the rows' conversions when the last of them was shown, and since when.

        A conversion after that is left out: those who have one would count as watched for longer than
        their neighbours.

        Raises:
            InputError: a conversion without its delay; names the column and row.
        """
        if self.delay_s is None or self.elapsed_s is None:
            raise InputError("conversion_delay_s", "absent", "late conversions need each one's delay")
        known = (self.conversion > 0) & (self.delay_s <= self.elapsed_s)
        delay = np.where(known, self.delay_s, np.nan)
        return Feedback(known.astype(np.float64), delay, self.elapsed_s, window_s)

    def aged(self, rule: LateRule) -> "Labels":
        """The same with `known` by the rule's law, if it has one."""
        if rule.law is None or self.elapsed_s is None:
            return self
        return replace(self, known=rule.law.complete(self.elapsed_s))

    def conversion_rate(self) -> float:
        """Conversions per click whose window is over; half a conversion in ten clicks is the prior."""
        clicks = float((self.click * self.mature).sum())
        return (float((self.conversion * self.mature).sum()) + 0.5) / (clicks + 10)

    def has(self, head: str) -> bool:
        """Whether the table has the head's label."""
        return "conversion" in head or getattr(self, head) is not None

    def order_value_mean(self) -> float:
        """Mean micros of the mature conversions; 1 where there are none."""
        worth = self.of("order_value")[self.mature & (self.conversion > 0)]
        worth = worth[worth > 0]
        return float(worth.mean()) if len(worth) else 1.0

    def of(self, head: str) -> Float64:
        """The label of a head; `conversion_given_click` and `click_conversion` read `conversion`.

        Raises:
            InputError: the table does not have it; names the column.
        """
        found: Float64 | None = self.conversion if "conversion" in head else getattr(self, head)
        if found is None:
            column = "value_micros" if head == "order_value" else head
            raise InputError(column, "absent", f"the head {head!r} needs this column; leave the head out")
        return found


def moments(table: pa.Table) -> Int64:
    """Microseconds since 1970 of each row.

    Raises:
        InputError: no usable column `time`.
    """
    return _Reader(table).integers("time", *MOMENTS)


def by_time(table: pa.Table) -> pa.Table:
    """The rows, oldest first; rows of one moment keep their order.

    Raises:
        InputError: no usable column `time`.
    """
    time = moments(table)
    if np.all(time[1:] >= time[:-1]):
        return table
    return table.take(pa.array(np.argsort(time, kind="stable")))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Columns of a table, checked; `first` is the number of its first row."""

    table: pa.Table
    first: int = 0

    def integers(self, name: str, low: int, high: int) -> Int64:
        if name not in self.table.column_names:
            raise InputError(name, "absent", "the training table needs this column")
        array = self.table[name].combine_chunks()
        if array.null_count:
            row = self.first + pc.index(array.is_null(), True).as_py()
            raise InputError(f"{name}[{row}]", None, "give a value in each row")
        try:
            if pa.types.is_timestamp(array.type):
                array = array.cast(pa.timestamp("us", tz=array.type.tz)).cast(pa.int64())
            elif name == "time" or not pa.types.is_integer(array.type):
                raise InputError(
                    name, str(array.type), "give UTC timestamps" if name == "time" else "give integers"
                )
            values: Int64 = array.cast(pa.int64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise InputError(name, str(array.type), str(error)) from None
        self._refuse(name, values, (values < low) | (values > high), f"give {low} to {high}")
        return values

    def flags(self, name: str) -> Float64:
        return self.integers(name, 0, 1).astype(np.float64)

    def order_value(self) -> Float64:
        """Micros; null, as 0, is no value."""
        name = "value_micros"
        column = self.table[name]
        if column.null_count and (pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
            column = pc.fill_null(column.cast(pa.int64()), 0)
        filled = _Reader(pa.table({name: column}), self.first)
        return filled.integers(name, 0, MAX_MICROS).astype(np.float64)

    def delays(self, conversion: Float64) -> Float64:
        """Seconds from click to conversion; 0 without one."""
        name = "conversion_delay_s"
        try:
            values = self.table[name].combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowException as error:
            kind, said = str(self.table[name].type), str(error).split("\n")[0]
            raise InputError(name, kind, f"give seconds ({said})") from None
        wrong = (conversion > 0) & ~((values >= 0) & np.isfinite(values))
        self._refuse(name, values, wrong, "give seconds, at least 0")
        return np.where(conversion > 0, values, 0.0)

    def _refuse(self, name: str, values: npt.NDArray[Any], wrong: Bool, fix: str) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            raise InputError(f"{name}[{self.first + rows[0]}]", values[rows[0]].item(), fix)
