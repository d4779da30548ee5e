"""A bundle trained further on newer hours."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.bundle import Bundle
from adsrank.models.config import ModelConfig
from adsrank.models.multitask import MultiTask
from adsrank.training import TrainConfig, run, train
from adsrank.training.warm import carried, fits, grown

CONFIG = TrainConfig(epochs=1, batch_size=512, model=ModelConfig(sequence=None))


@pytest.fixture(scope="module")
def newer(few_rows):
    """The same log a week on: the last hours are new, with ads 1,000,000 higher that were never met."""
    time = pc.add(few_rows["time"], pa.scalar(timedelta(days=7)))
    changed = few_rows.set_column(few_rows.column_names.index("time"), "time", time)
    ids = few_rows["ad_id"].to_numpy().copy()
    ids[::3] += 1_000_000
    return changed.set_column(changed.column_names.index("ad_id"), "ad_id", pa.array(ids))


@pytest.fixture(scope="module")
def bundle(few_rows):
    return train(few_rows, config=CONFIG).bundle


def test_known_ids_keep_their_numbers_and_new_ones_stand_behind(bundle, newer):
    fresh = CompiledTransform.fit(newer, FeatureSpec.default())
    transform = grown(bundle.transform, fresh)
    old, now = (one.encoders_["ad_id"].values_ for one in (bundle.transform, transform))
    assert np.array_equal(now[: len(old)], old)
    assert (now[len(old) :] > 1_000_000).all()
    assert len(now) > len(old)
    assert transform.scales_ == bundle.transform.scales_
    assert transform.encoders_["surface"].to_json() == bundle.transform.encoders_["surface"].to_json()
    assert grown(transform, fresh).to_json() == transform.to_json()  # nothing is new the second time


def test_scores_begin_where_the_bundle_left_them(bundle, newer):
    """Known ads score as before, to the bit; new ones as "any other ad", which they were."""
    transform = grown(bundle.transform, CompiledTransform.fit(newer, FeatureSpec.default()))
    network = MultiTask.of(transform, bundle.heads, bundle.manifest.model)
    network.load_state_dict(carried(bundle, transform))
    rows = newer.slice(0, 500)
    before, after = bundle.score(rows), network.probabilities(transform.apply(rows))
    for head in bundle.heads:
        assert np.array_equal(before[head], after[head])


def test_surfaces_do_not_grow_whatever_their_table_is_called(few_rows):
    table = few_rows.slice(0, 2000)
    spec = FeatureSpec.model_validate(
        {
            "features": [
                {"name": "surface", "source": "surface", "type": "string", "transform": "vocabulary",
                 "group": "request", "table": "places"},
                {"name": "ad", "source": "ad_id", "type": "integer", "transform": "vocabulary",
                 "group": "ad"},
            ]
        }
    )  # fmt: skip
    known = CompiledTransform.fit(table, spec)
    words = pa.array(["elsewhere", "home"] * (len(table) // 2))
    newer = CompiledTransform.fit(
        table.set_column(table.column_names.index("surface"), "surface", words), spec
    )
    assert grown(known, newer).surfaces_ == known.surfaces_


def test_a_vocabulary_grows_no_further_than_its_limit(bundle, newer):
    spec = FeatureSpec.default()
    most = len(bundle.transform.encoders_["ad_id"].values_) + 2
    limited = [
        row.model_copy(update={"max_size": most}) if row.name == "ad_id" else row for row in spec.features
    ]
    small = CompiledTransform(
        spec.model_copy(update={"features": limited}), bundle.transform.encoders_, bundle.transform.scales_
    )
    assert len(grown(small, CompiledTransform.fit(newer, spec)).encoders_["ad_id"].values_) == most


def test_it_learns_from_newer_rows_only_and_is_never_worse_on_later_ones(bundle, few_rows, newer, tmp_path):
    bundle.save(tmp_path / "old")
    both = pa.concat_tables([few_rows, newer]).sort_by("time")
    pq.write_table(both, tmp_path / "log.parquet")
    report = run(tmp_path / "log.parquet", tmp_path / "new", CONFIG, since=tmp_path / "old")
    made = Bundle.load(tmp_path / "new")
    assert report["continued"] == bundle.id != made.id
    begin = bundle.manifest.data.calibrate_from
    assert made.manifest.data.first >= begin
    moments = both["time"].cast(pa.int64()).to_numpy()
    assert made.manifest.data.rows == (moments >= datetime.fromisoformat(begin).timestamp() * 1e6).sum()
    assert made.transform.encoders_["ad_id"].size > bundle.transform.encoders_["ad_id"].size
    again = run(tmp_path / "log.parquet", tmp_path / "again", CONFIG, since=tmp_path / "old")
    assert again["bundle"] == report["bundle"]


def test_a_start_that_cannot_be_bettered_is_kept(bundle, newer, tmp_path):
    """With a rate that destroys what was learned, the weights of the bundle are the best epoch's."""
    bundle.save(tmp_path / "old")
    pq.write_table(newer, tmp_path / "log.parquet")
    wild = TrainConfig(epochs=1, batch_size=512, learning_rate=1.0, model=ModelConfig(sequence=None))
    run(tmp_path / "log.parquet", tmp_path / "new", wild, since=tmp_path / "old")
    made = Bundle.load(tmp_path / "new")
    kept = carried(bundle, made.transform)
    assert all(torch.equal(value, kept[name]) for name, value in made.network.state_dict().items())


def test_the_hours_after_a_bundle_have_no_conversions_and_its_calibrator_stays(bundle, newer, tmp_path):
    bundle.save(tmp_path / "old")
    none = newer
    for name in ("conversion", "value_micros"):
        column = pa.array(np.zeros(len(newer)), none[name].type)
        none = none.set_column(none.column_names.index(name), name, column)
    pq.write_table(none, tmp_path / "log.parquet")
    run(tmp_path / "log.parquet", tmp_path / "new", CONFIG, since=tmp_path / "old")
    ours, theirs = (
        Bundle.load(tmp_path / name).probabilities.to_json()["click_conversion"] for name in ("new", "old")
    )
    assert ours == theirs


def test_other_sizes_than_the_bundles_are_refused_by_name(bundle):
    with pytest.raises(InputError, match="heads"):
        fits(bundle, TrainConfig(heads=("click", "hide")))
    with pytest.raises(InputError, match="embedding_space"):
        fits(bundle, TrainConfig(embedding_space="other"))
    spec = bundle.transform.spec
    other = spec.model_copy(update={"features": spec.features[1:]})
    with pytest.raises(InputError, match="features"):
        fits(bundle, TrainConfig(), other)
    assert fits(bundle, TrainConfig(), spec).heads == bundle.heads
    assert fits(bundle, TrainConfig(epochs=3)).model == bundle.manifest.model != TrainConfig().model


def test_a_bundle_that_knows_all_rows_has_nothing_to_learn(bundle, few_rows, tmp_path):
    bundle.save(tmp_path / "old")
    end = few_rows.slice(len(few_rows) - 1)["time"][0].as_py() - timedelta(days=20)
    old = few_rows.set_column(
        few_rows.column_names.index("time"), "time", pa.array([end] * len(few_rows), few_rows["time"].type)
    )
    pq.write_table(old, tmp_path / "log.parquet")
    streamed = CONFIG.model_copy(update={"window_rows": 1000})
    for config in (CONFIG, streamed):
        with pytest.raises(InputError, match="no newer rows"):
            run(tmp_path / "log.parquet", tmp_path / "new", config, since=tmp_path / "old")
    seconds = old.set_column(old.column_names.index("time"), "time", old["time"].cast(pa.int64()))
    pq.write_table(seconds, tmp_path / "seconds.parquet")
    with pytest.raises(InputError, match="time: 'int64'"):
        run(tmp_path / "seconds.parquet", tmp_path / "new", streamed, since=tmp_path / "old")
