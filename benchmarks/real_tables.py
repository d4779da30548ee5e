"""Public click logs as tables that the project's own transform and network read, each with its split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from adsrank.data import avazu, criteo, hillstrom, talkingdata, taobao
from adsrank.features.spec import FeatureSpec
from adsrank.training.labels import Labels

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
"""Where the sets lie beside the checkout; docs/calibration.md says where to get each."""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Task:
    """A table, what is predicted, and which rows are for the test.

    `table` and `labels` are in the order of the split: the first `train` rows are learned from, the rest
    judged on. `known` are the labels as they were known when the training rows ended. `words` and
    `numbers` are the columns of the hashed baseline.
    """

    name: str
    rule: str
    table: pa.Table
    spec: FeatureSpec
    labels: Labels
    known: Labels
    train: int
    heads: tuple[str, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]


def tasks() -> Iterator[Task]:
    """The sets that are beside the checkout."""
    for make, file in (
        (criteo_task, "ctr/criteo_train_8000.tsv.gz"),
        (avazu_task, "ctr/avazu_train_9000.csv.gz"),
        (taobao_task, "ctr/taobao_ads_9999.csv.gz"),
        (talkingdata_task, "talkingdata/train_sample.csv.gz"),
        (hillstrom_task, "hillstrom/hillstrom.csv.gz"),
    ):
        if (DATA / file).is_file():
            yield make()


def criteo_task() -> Task:
    """The first 8,000 rows of the log, and the 2,000 after them."""
    paths = (DATA / "ctr/criteo_train_8000.tsv.gz", DATA / "ctr/criteo_test_2000.tsv.gz")
    table = criteo.read_criteo(*paths)
    clicks = labels_of(_column(table, "click"))
    return Task(
        "Criteo 10k", "8,000 rows, then the 2,000 after them in time", table,
        _spec(criteo.CATEGORIES, criteo.NUMBERS), clicks, clicks, 8_000, ("click",),
        criteo.CATEGORIES, criteo.NUMBERS,
    )  # fmt: skip


def avazu_task() -> Task:
    """One hour of the log: its rows are in the order of a random id."""
    paths = (DATA / "ctr/avazu_train_9000.csv.gz", DATA / "ctr/avazu_test_1000.csv.gz")
    table = avazu.read_avazu(*paths)
    clicks = labels_of(_column(table, "click"))
    return Task(
        "Avazu 10k", "8,999 rows, then 1,000 of the same hour", table, _spec(avazu.CATEGORIES, ()),
        clicks, clicks, 8_999, ("click",), avazu.CATEGORIES, (),
    )  # fmt: skip


def taobao_task() -> Task:
    """Users' histories are left out: when they were joined the publisher does not say."""
    table = taobao.read_taobao(DATA / "ctr/taobao_ads_9999.csv.gz")
    words = ("pid", *taobao.USER, *taobao.AD)
    clicks = labels_of(_column(table, "click"))
    return Task(
        "Taobao 10k", "first 80 % by time, then the rest", table, _spec(words, ("price",)), clicks, clicks,
        round(0.8 * len(table)), ("click",), words, ("price",),
    )  # fmt: skip


def talkingdata_task() -> Task:
    """An install known only after the split is no positive to learn from: labels as of the split's moment."""
    table = talkingdata.read_talkingdata(DATA / "talkingdata/train_sample.csv.gz")
    train = round(0.8 * len(table))
    moment = table["click_time"][train]
    installed = _column(table, "is_attributed")
    in_time = pc.fill_null(pc.less(table["attributed_time"], moment), False)
    table = table.append_column("hour", pc.cast(pc.hour(table["click_time"]), pa.string()))
    words = (*talkingdata.CATEGORIES, "hour")
    return Task(
        "TalkingData installs", "first 80 % by time, labels as known then; then the rest", table,
        _spec(words, ()), labels_of(installed),
        labels_of(installed * in_time.to_numpy(zero_copy_only=False)), train, ("click",), words, (),
    )  # fmt: skip


def hillstrom_task(seed: int = 1) -> Task:
    """A visit is the click, a purchase its conversion; the rows have no time, so the split is drawn."""
    table = hillstrom.read_hillstrom(DATA / "hillstrom/hillstrom.csv.gz")
    table = table.take(pa.array(np.random.default_rng(seed).permutation(len(table))))
    for name in ("mens", "womens", "newbie"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pc.cast(table[name], pa.string()))
    words = ("history_segment", "mens", "womens", "zip_code", "newbie", "channel", "segment")
    funnel = labels_of(_column(table, "visit"), _column(table, "conversion"))
    return Task(
        "Hillstrom", f"75 % of the rows drawn by seed {seed}, then the rest", table,
        _spec(words, ("recency", "history")), funnel, funnel, round(0.75 * len(table)),
        ("click", "conversion_given_click"), words, ("recency", "history"),
    )  # fmt: skip


def labels_of(click: Float64, conversion: Float64 | None = None) -> Labels:
    """Labels of ads that were all examined, in the order of their time."""
    n = len(click)
    none = np.zeros(n)
    one = np.ones(n, np.int64)
    bought = none if conversion is None else conversion
    return Labels(np.arange(n), one, 0 * one, click, none, none, bought, np.ones(n, np.bool_))


def _spec(words: tuple[str, ...], numbers: tuple[str, ...]) -> FeatureSpec:
    """Words seen twice; numbers as eight quantiles and as their logarithm."""
    rows: list[dict[str, Any]] = [
        {"name": name, "source": name, "type": "string", "transform": "vocabulary", "group": "ad"}
        for name in words
    ]
    for name in numbers:
        one = {"source": name, "type": "number", "group": "ad"}
        rows.append({**one, "name": f"{name}_bucket", "transform": "buckets", "buckets": 8})
        rows.append({**one, "name": f"{name}_log", "transform": "log_squash"})
    return FeatureSpec.model_validate({"extra_sources": [*words, *numbers], "features": rows})


def _column(table: pa.Table, name: str) -> Float64:
    found: Float64 = table[name].to_numpy().astype(np.float64)
    return found
