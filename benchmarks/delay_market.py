"""Late conversions in a market whose truth is known: what each way of dealing with them costs.

The market "considered" (many buy days after the click, some advertisers' customers and dear baskets above
all; window seven days), with more clicks and conversions than the shipped one so that models of a
fortnight can be told apart. Models see a log of fourteen days as it stood at its end, with about a tenth
of its conversions still to come, and are judged on the clicks of the week after by the true probabilities:
the cross-entropy in excess of the truth's own has no noise of labels in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from adsrank.data import builtin
from adsrank.data.advertise import advertise
from adsrank.data.history import history
from adsrank.data.law import LAWS
from adsrank.data.truth import Truth
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.training.config import TrainConfig
from adsrank.training.delay import DelayCurve, Feedback, LateConversions, LateLogistic
from adsrank.training.fit import fit_network
from adsrank.training.labels import Labels
from adsrank.training.progressive import Predict, Walk, progressive

LAW = replace(LAWS["considered"], click_rate=0.08, matched_click_rate=0.2, conversion_rate=0.12)
WINDOW_S = LAW.delay.longest_s
WINDOW_DAYS = WINDOW_S / 86_400
LOG_DAYS = 14
IDS = ["advertiser_id", "ad_id", "ad_interest", "format", "device", "surface"]
NUMBERS = ["similarity", "similarity_mean", "interest_match", "ad_age_days"]
LATE = ("naive", "mature_only", "importance", "delayed_feedback")
CHAPELLE = "delayed_feedback with a Weibull rate by features, fitted jointly"


@dataclass(frozen=True, slots=True)
class Late:
    """One market: its whole log, and the moment at which the models are trained."""

    table: pa.Table
    moment: int
    """Microseconds since 1970; the log goes on for a window after it."""

    @classmethod
    def draw(cls, seed: int, impressions: int) -> "Late":
        """A market of its own from `seed`."""
        world = builtin.generate(seed)
        end = datetime.fromtimestamp(world.epoch, UTC) + timedelta(days=LOG_DAYS + WINDOW_DAYS)
        rows = advertise(world, seed, 150, 4000, end, 20_000)
        truth = Truth(world, rows, seed, LAW)
        table = history(truth, seed, end, LOG_DAYS + WINDOW_DAYS, impressions, with_truth=True)
        return cls(table, round((end.timestamp() - WINDOW_S) * 1e6))

    @property
    def known(self) -> pa.Table:
        """The rows before the moment, with the conversions that had come by then."""
        table = self.past
        delay = table["conversion_delay_s"].fill_null(np.inf).to_numpy()
        came = table["time"].cast(pa.int64()).to_numpy() / 1e6 + delay <= self.moment / 1e6
        told = {
            "conversion": pa.array(came, pa.int8()),
            "conversion_delay_s": pa.array(delay, mask=~came),
        }
        for name, column in told.items():
            table = table.set_column(table.column_names.index(name), name, column)
        return table

    @property
    def past(self) -> pa.Table:
        """The rows before the moment, with all conversions: what an oracle would train on."""
        return self.table.filter(pc.less(self.table["time"].cast(pa.int64()), self.moment))

    @property
    def coming(self) -> pa.Table:
        """The clicks of the week after."""
        later = pc.greater_equal(self.table["time"].cast(pa.int64()), self.moment)
        return self.table.filter(pc.and_(later, pc.equal(self.table["click"], 1)))


def excess(truth: np.ndarray, said: np.ndarray) -> float:
    """Cross-entropy of `said` under the true probabilities, less that of the truth: 0 is perfect."""
    wrong = truth * np.log(truth / said) + (1 - truth) * np.log((1 - truth) / (1 - said))
    return float(wrong.mean())


def features() -> ColumnTransformer:
    """Ids as columns of their own, where seen three times; numbers to one scale."""
    ids = OneHotEncoder(handle_unknown="ignore", min_frequency=3)
    return ColumnTransformer(
        [("ids", ids, IDS), ("numbers", StandardScaler(), NUMBERS)], sparse_threshold=1.0
    )


def linear(market: Late, ridge: float = 10.0) -> Iterator[tuple[str, float, float]]:
    """(model, excess, PCOC against the truth) of logistic regressions on the clicks."""
    clicks, coming = market.past.filter(pc.equal(market.past["click"], 1)), market.coming
    encoder = features()
    x = encoder.fit_transform(clicks.select(IDS + NUMBERS).to_pandas())
    asked = encoder.transform(coming.select(IDS + NUMBERS).to_pandas())
    delay = clicks["conversion_delay_s"].fill_null(np.nan).to_numpy()
    elapsed = (market.moment - clicks["time"].cast(pa.int64()).to_numpy()) / 1e6
    known = Feedback.observe(delay, elapsed, WINDOW_S)
    waited = Feedback.observe(delay, np.full(len(delay), WINDOW_S), WINDOW_S)
    truth = coming["true_conversion_given_click"].to_numpy()
    curve = DelayCurve.fit(known)
    models: dict[str, tuple[Any, Feedback]] = {
        "oracle": (LateLogistic("naive", ridge=ridge), waited),
        "naive": (LateLogistic("naive", ridge=ridge), known),
        "mature_only": (LateLogistic("mature_only", ridge=ridge), known),
        "importance": (LateLogistic("importance", ridge=ridge), known),
        "delayed_feedback": (LateLogistic("delayed_feedback", ridge=ridge, law=curve), known),
        CHAPELLE: (LateLogistic("delayed_feedback", ridge=ridge, delay_ridge=10.0), known),
    }
    for name, (model, feedback) in models.items():
        said = model.fit(x, feedback).predict(asked)
        yield name, excess(truth, said), float(said.sum() / truth.sum())


def network(market: Late, epochs: int = 2) -> Iterator[tuple[str, float, float]]:
    """The same of the engine's own network, on all ads shown."""
    coming = market.coming
    truth = coming["true_conversion_given_click"].to_numpy()
    transform = CompiledTransform.fit(market.known, FeatureSpec.default())
    batch, asked = transform.apply(market.known), transform.apply(coming)
    n = len(market.known)
    first, newest = np.arange(int(0.95 * n)), np.arange(int(0.95 * n), n)
    for name in ("oracle", *LATE):
        late = "naive" if name == "oracle" else name
        config = TrainConfig(late_conversions=late, attribution_days=WINDOW_DAYS, epochs=epochs)
        labels = Labels.read(market.past if name == "oracle" else market.known, WINDOW_DAYS)
        fitted = fit_network(
            transform, batch.take(first), labels.take(first), batch.take(newest), labels.take(newest), config
        )
        said = fitted.network.probabilities(asked)["conversion_given_click"]
        yield name, excess(truth, said), float(said.sum() / truth.sum())


def walk(market: Late, late: str, ridge: float = 10.0) -> Walk:
    """A logistic regression retrained daily on the newest week, from the fourteenth day before the end."""
    clicks = market.table.filter(pc.equal(market.table["click"], 1))
    columns = clicks.select(IDS + NUMBERS).to_pandas()
    delay = clicks["conversion_delay_s"].fill_null(np.nan).to_numpy()
    end = market.moment / 1e6 + WINDOW_S
    elapsed = end - clicks["time"].cast(pa.int64()).to_numpy() / 1e6

    def learn(rows: np.ndarray, known: Feedback) -> Predict:
        newest = known.elapsed_s < WINDOW_S
        own, seen = rows[newest], known.take(newest)
        if late == "oracle":
            seen = Feedback.observe(delay[own], np.full(len(own), WINDOW_S), WINDOW_S)
        law = DelayCurve.fit(known) if late == "delayed_feedback" else None
        encoder = features()
        x = encoder.fit_transform(columns.iloc[own])
        way: LateConversions = "delayed_feedback" if late == "delayed_feedback" else "naive"
        model = LateLogistic(way, ridge=ridge, law=law).fit(x, seen)
        return lambda asked: model.predict(encoder.transform(columns.iloc[asked]))

    return progressive(
        Feedback.observe(delay, elapsed, WINDOW_S), learn, every_s=86_400.0, first_s=2 * WINDOW_S
    )
