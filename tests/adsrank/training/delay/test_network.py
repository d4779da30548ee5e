"""The network's fit on rows whose conversions are not all known yet."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.exposure import ExposureCurve
from adsrank.training.config import TrainConfig
from adsrank.training.delay import DelayCurve, LateRule
from adsrank.training.fit import fit_network
from adsrank.training.labels import Labels
from adsrank.training.loss import Targets, loss
from adsrank.training.parts import Parts
from adsrank.training.prepare import Since, prepare_parts, prepare_table

DAY = 86_400.0
N = 10_000
WAIT = DelayCurve(np.array([4 * DAY]), np.ones(1), 4 * DAY, 4 * DAY)
"""A law that differs from any that could be fitted."""


@pytest.fixture(scope="module")
def newest():
    """The newest four days, window four days: hardly a click's window is over; advertisers differ in p."""
    rng = np.random.default_rng(0)
    seller = rng.integers(0, 8, N)
    p = np.linspace(0.15, 0.5, 8)[seller]
    click = rng.random(N) < 0.6
    delay = rng.exponential(1.2 * DAY, N)
    delay = np.where(click & (rng.random(N) < p) & (delay <= 4 * DAY), delay, np.nan)
    p = p * (1 - np.exp(-4 / 1.2))
    time = np.sort(rng.integers(0, int(4.2 * DAY), N))
    known = delay <= time[-1] - time
    flags = {name: pa.array(column, pa.int8()) for name, column in (
        ("click", click.astype(int)), ("conversion", known.astype(int)),
        ("save", (rng.random(N) < 0.05).astype(int)), ("hide", (rng.random(N) < 0.05).astype(int)),
    )}  # fmt: skip
    table = pa.table(
        {
            "time": pa.array(time * 1_000_000, pa.timestamp("us", tz="UTC")),
            "position": pa.array(np.ones(N), pa.int32()),
            "gap": pa.array(np.zeros(N), pa.int32()),
            "seller": seller,
            "conversion_delay_s": pa.array(delay, mask=~known),
            **flags,
        }
    )
    return table, p


ROW = {
    "name": "seller", "source": "seller", "type": "integer", "transform": "vocabulary", "group": "ad",
    "min_count": 1,
}  # fmt: skip
SPEC = FeatureSpec.model_validate({"extra_sources": ["seller"], "features": [ROW]})


def fitted(table, late):
    transform = CompiledTransform.fit(table, SPEC)
    batch, labels = transform.apply(table), Labels.read(table, 4.0)
    config = TrainConfig(
        late_conversions=late, attribution_days=4.0, epochs=4, batch_size=256, learn_exposure=False,
        embedding_decay=0.0, unknown_rate=0.0, learning_rate=5e-3,
    )  # fmt: skip
    network = fit_network(transform, batch, labels, batch, labels, config).network
    return network.probabilities(batch)["conversion_given_click"]


def test_the_network_learns_from_clicks_that_may_still_convert(newest):
    table, p = newest
    found = {late: fitted(table, late) for late in ("naive", "importance", "delayed_feedback")}
    level = {late: scores.mean() / p.mean() for late, scores in found.items()}
    assert level["naive"] < 0.8
    for late in ("importance", "delayed_feedback"):
        assert level[late] == pytest.approx(1, abs=0.1)
        assert np.corrcoef(found[late], p)[0, 1] > 0.9


def test_without_a_rule_only_rows_whose_window_is_over_count(newest):
    table, _ = newest
    labels = Labels.read(table, 4.0)
    config = TrainConfig()
    outputs = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    curve = ExposureCurve.flat()
    plain = loss(outputs, Targets(labels, curve), config)
    clicks = labels.feedback(4 * DAY)
    assert loss(outputs, Targets(labels, curve, LateRule.fit(clicks, "mature_only")), config) == plain
    for late in ("naive", "importance", "delayed_feedback"):
        targets = Targets(labels, curve, LateRule.fit(clicks, late))
        rows = torch.arange(0, N, 2)
        halves = [loss(outputs[rows + k], targets.take(rows + k), config) for k in (0, 1)]
        whole = loss(outputs, targets, config)
        assert abs(whole - plain) > 1e-3
        assert sum(halves) / 2 == pytest.approx(float(whole), rel=1e-5)


def test_the_newest_hours_take_the_law_of_the_delay_from_older_clicks(newest, tmp_path):
    """A day of a window of four tells nothing of the second: by the whole log a young click is worth less."""
    table, _ = newest
    config = TrainConfig(late_conversions="delayed_feedback", attribution_days=4.0)
    time = table["time"].cast(pa.int64()).to_numpy()
    moment = int(time[-1] - 86_400_000_000)
    since = Since(moment, CompiledTransform.fit(table, SPEC))
    prepared = prepare_table(table, SPEC, config, since)
    labels = prepared.rows.read(0, len(prepared.rows))[1]
    assert labels.time[0] >= moment
    exact = (1 - np.exp(-labels.elapsed_s / (1.2 * DAY))) / (1 - np.exp(-4 / 1.2))
    assert labels.known == pytest.approx(exact, abs=0.04)
    assert Targets(
        labels, ExposureCurve.flat(), LateRule("delayed_feedback", 4 * DAY, WAIT)
    ).share.numpy() == (pytest.approx(labels.known, rel=1e-6))
    # Streamed from parts, the same rows are worth the same.
    for number, start in enumerate((0, 3000, 7000)):
        pq.write_table(table.slice(start, (3000, 4000, N)[number]), tmp_path / f"{number}.parquet")
    read = prepare_parts(Parts(tmp_path), SPEC, config, tmp_path / "rows", since=since)
    assert np.array_equal(read.rows.read(0, len(read.rows))[1].known, labels.known)
    # Nobody asked: no such column.
    plain = prepare_table(table, SPEC, TrainConfig(attribution_days=4.0), since)
    assert plain.rows.read(0, 10)[1].known is None


def test_a_table_without_delays_is_refused_by_name(newest):
    table, _ = newest
    blind = table.drop_columns(["conversion_delay_s"])
    with pytest.raises(InputError, match="conversion_delay_s"):
        fitted(blind, "delayed_feedback")


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="late_conversions"):
        TrainConfig.model_validate({"late_conversions": "wait"})
