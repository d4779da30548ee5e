"""From a table to encoded rows, split by time: in memory, or through files where it is too long."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adsrank.errors import InputError
from adsrank.features.spec import FeatureRow, FeatureSpec, Transform
from adsrank.features.transform import CompiledTransform
from adsrank.models.sample import pick, spread
from adsrank.training.config import TrainConfig
from adsrank.training.counts import counted
from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.targets import LateRule
from adsrank.training.labels import Labels, by_time, moments
from adsrank.training.parts import CHUNK, Parts
from adsrank.training.presence import Presence
from adsrank.training.rows import MemoryRows, Rows, StoredRows, columns_of, label_arrays
from adsrank.training.split import Split
from adsrank.training.store import Store, StoreWriter
from adsrank.training.warm import grown

Int64 = npt.NDArray[np.int64]

LABEL_COLUMNS = ("time", "position", "gap", "click", "save", "hide", "conversion")
OPTIONAL_LABELS = ("long_click", "value_micros", "conversion_delay_s")

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table's rows, encoded by a transform that was fitted on the training rows alone."""

    transform: CompiledTransform
    rows: Rows
    split: Split
    missing: list[str] = field(default_factory=list)
    """Columns without a single value in the training rows: their features say nothing."""
    sample: pa.Table | None = None
    """A few test rows as they came, for the bundle; None where no bundle is made of these rows."""

    @property
    def train(self) -> Rows:
        return self.rows.part(0, self.split.train_end)

    @property
    def calibrate(self) -> Rows:
        return self.rows.part(self.split.train_end, self.split.calibrate_end)

    @property
    def test(self) -> Rows:
        return self.rows.part(self.split.calibrate_end, self.split.rows)


@dataclass(frozen=True, slots=True)
class Since:
    """A bundle that is trained further: on which rows, and what it knows already."""

    moment: int
    """Microseconds since 1970: rows before it were trained on."""
    transform: CompiledTransform


def prepare_table(
    table: pa.Table, spec: FeatureSpec, config: TrainConfig, since: Since | None = None
) -> Prepared:
    """All in memory.

    Raises:
        InputError: a column absent, a value out of range, too few rows; names it.
    """
    labels = Labels.read(table, config.attribution_days)  # before the order changes: errors name its rows
    ordered = by_time(table)
    if ordered is not table:
        table, labels = ordered, Labels.read(ordered, config.attribution_days)
    if since is not None:
        rule = _rule([labels], config)
        labels = labels if rule is None else labels.aged(rule)
        start = int(np.searchsorted(labels.time, since.moment))
        table, labels = table.slice(start), labels.take(slice(start, None))
    split = _split(labels.time, int(labels.mature.sum()), config, since)
    known = table.slice(0, split.train_end)
    transform = CompiledTransform.fit(known, spec)
    if since is not None:
        transform = grown(since.transform, transform)
    presence = Presence(feature_columns(spec))
    presence.add(known)
    return Prepared(
        transform,
        MemoryRows(transform.apply(table), labels),
        split,
        presence.missing(),
        pick(table.slice(split.calibrate_end), transform.sources),
    )


def prepare_parts(
    parts: Parts,
    spec: FeatureSpec,
    config: TrainConfig,
    folder: Path,
    told: Told | None = None,
    since: Since | None = None,
) -> Prepared:
    """In passes over the parts, a chunk in memory at a time; what is encoded lies in `folder`.

    The first pass checks labels and times; the second, over the training rows, counts vocabularies and
    takes an even sample of at most `window_rows` rows, on which scales, quantiles and collisions are
    fitted; the third encodes. The result does not depend on how rows are divided among parts.

    Raises:
        InputError: as `prepare_table`, and where rows are not in the order of time.
    """
    told = told or (lambda stage, done, total: None)
    names = feature_columns(spec)
    parts.require([*names, *LABEL_COLUMNS])
    until = _last_time(parts)
    start = 0 if since is None else _first(parts, since.moment)
    rule = None
    if since is not None:
        chunks = parts.chunks(label_columns(parts))
        rule = _rule((Labels.read(table, config.attribution_days, until) for table in chunks), config)
    labels = _store_labels(parts, start, config, folder / "labels", told, until, rule)
    time = labels.view("time")
    window = int(config.attribution_days * 86_400 * 1_000_000)
    mature = int(np.searchsorted(time, int(time[-1]) - window, side="right"))
    split = _split(time, mature, config, since)
    presence = Presence(names)
    transform = _fit(parts, names, spec, (start, start + split.train_end), config.window_rows, presence, told)
    if since is not None:
        transform = grown(since.transform, transform)
    features = _store_features(parts, names, start, transform, folder / "features", told)
    sample = _sample(parts, names, start + split.calibrate_end)
    return Prepared(
        transform, StoredRows(features, labels, 0, labels.rows), split, presence.missing(), sample
    )


def feature_columns(spec: FeatureSpec) -> list[str]:
    """The columns that the spec's features read."""
    return sorted({name for row in spec.features for name in row.sources})


def label_columns(parts: Parts) -> list[str]:
    """The columns of labels and places that all parts have."""
    return [*LABEL_COLUMNS, *(name for name in OPTIONAL_LABELS if parts.has(name))]


def _split(time: Int64, mature: int, config: TrainConfig, since: Since | None) -> Split:
    """By mature rows; of the newest hours, of which none may be, by all."""
    if not len(time):
        raise _none_newer()
    return Split.at(time, mature if since is None else len(time), config.split)


def _none_newer() -> InputError:
    return InputError("table", "no newer rows", "the bundle was trained on all of them")


def _first(parts: Parts, moment: int) -> int:
    """The first row at `moment` or later."""
    row = 0
    for table in parts.chunks(["time"]):
        later = np.flatnonzero(moments(table) >= moment)
        if len(later):
            return row + int(later[0])
        row += len(table)
    raise _none_newer()


def _rule(read: Iterable[Labels], config: TrainConfig) -> LateRule | None:
    """What young clicks are worth, by a law of the delay that older ones tell: the newest hours cannot."""
    if config.late_conversions == "mature_only" or not config.attribution_days:
        return None
    columns: list[list[np.ndarray]] = [[], [], []]
    for labels in read:
        clicks = labels.take(np.flatnonzero(labels.click)).feedback(config.attribution_days * 86_400)
        for held, name in zip(columns, ("conversion", "delay_s", "elapsed_s"), strict=True):
            held.append(getattr(clicks, name))
    conversion, delay, elapsed = (np.concatenate(held) for held in columns)
    return LateRule.fit(
        Feedback(conversion, delay, elapsed, config.attribution_days * 86_400), config.late_conversions
    )


def _store_labels(
    parts: Parts,
    start: int,
    config: TrainConfig,
    folder: Path,
    told: Told,
    until: int,
    rule: LateRule | None,
) -> Store:
    writer = StoreWriter(folder)
    before = None
    for table in parts.chunks(label_columns(parts), start):
        labels = Labels.read(table, config.attribution_days, until, start + writer.rows)
        backwards = np.diff(labels.time, prepend=labels.time[0] if before is None else before) < 0
        if backwards.any():
            row = start + writer.rows + int(np.flatnonzero(backwards)[0])
            raise InputError(
                f"{parts.path}: time[{row}]",
                "earlier than the row before",
                "sort the parts by time (a table of at most window_rows rows is sorted here)",
            )
        before = labels.time[-1]
        labels = labels if rule is None else labels.aged(rule)
        writer.append(label_arrays(labels))
        told("check", writer.rows, len(parts))
    return writer.close({})


def _last_time(parts: Parts) -> int:
    """The last row's moment; that it is the latest is checked on the way."""
    if not len(parts):
        raise InputError("table", "no rows", "give a table of shown ads")
    last = next(iter(parts.chunks(LABEL_COLUMNS, len(parts) - 1)))
    return int(Labels.read(last, 0.0).time[-1])


def _fit(
    parts: Parts,
    names: Sequence[str],
    spec: FeatureSpec,
    span: tuple[int, int],
    window: int,
    presence: Presence,
    told: Told,
) -> CompiledTransform:
    counts = counted(spec.features)
    rows = span[1] - span[0]
    step = -(-rows // window)
    kept, begin = [], 0
    for table in parts.chunks(names, *span):
        presence.add(table)
        for counter in counts.values():
            counter.add(table)
        kept.append(table.take(pa.array(np.arange(-begin % step, len(table), step))) if step > 1 else table)
        begin += len(table)
        told("fit features", begin, rows)
    fitted = CompiledTransform.fit(pa.concat_tables(kept).combine_chunks(), spec)
    encoders = {
        name: counts[name].encoder() if name in counts else encoder
        for name, encoder in fitted.encoders_.items()
    }
    return CompiledTransform(spec, encoders, fitted.scales_, fitted.vectors_)


def _sample(parts: Parts, names: Sequence[str], start: int) -> pa.Table:
    """`pick` of the rows from `start` on."""
    wanted, kept, begin = start + spread(len(parts) - start), [], start
    for table in parts.chunks(names, start):
        low, high = np.searchsorted(wanted, [begin, begin + len(table)])
        kept.append(table.take(pa.array(wanted[low:high] - begin)))
        begin += len(table)
    return pick(pa.concat_tables(kept), list(names))


def _store_features(
    parts: Parts, names: Sequence[str], start: int, transform: CompiledTransform, folder: Path, told: Told
) -> Store:
    writer = StoreWriter(folder)
    widths = list_widths(transform.spec)
    for table in parts.chunks(names, start):
        writer.append(columns_of(transform.apply(table), widths))
        told("encode", writer.rows, len(parts))
    return writer.close({})


def list_widths(spec: FeatureSpec) -> dict[str, int]:
    """How many elements a store keeps of each list, by the name `rows.columns_of` gives it."""

    def bags(rows: list[FeatureRow]) -> list[int]:
        return [row.max_length for row in rows if row.transform is Transform.MULTI_HOT]

    request = [row for row in spec.features if row.of_request]
    ad = [row for row in spec.features if not row.of_request]
    return {
        f"{half}.lists.{number}": length
        for half, rows in (("request", request), ("ad", ad))
        for number, length in enumerate(bags(rows))
    }


def stored(prepared: Prepared, folder: Path) -> Prepared:
    """The same rows in files, for other processes to read."""
    if isinstance(prepared.rows, StoredRows):
        return prepared
    widths = list_widths(prepared.transform.spec)
    features, labels = StoreWriter(folder / "features"), StoreWriter(folder / "labels")
    for start in range(0, len(prepared.rows), CHUNK):
        batch, told = prepared.rows.read(start, min(start + CHUNK, len(prepared.rows)))
        features.append(columns_of(batch, widths))
        labels.append(label_arrays(told))
    rows = StoredRows(features.close({}), labels.close({}), 0, len(prepared.rows))
    return replace(prepared, rows=rows)
