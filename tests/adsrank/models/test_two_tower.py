from dataclasses import replace

import numpy as np
import pytest

from adsrank.errors import BundleError, InputError
from adsrank.features.batch import FeatureBatch
from adsrank.features.spec import Group
from adsrank.models.bundle import Bundle
from adsrank.models.two_tower import AdColumns, TowerWidths
from adsrank.training.config import FirstStageConfig, TowersConfig
from adsrank.training.first_stage import cut_recall, fit_first_stage

CONFIG = FirstStageConfig(kind="two_tower", rows=12_000, towers=TowersConfig(epochs=4))


def rng(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def fit(trained, batch, config=CONFIG, seed=1):
    return fit_first_stage(trained.bundle.transform, trained.bundle.network, batch, config, rng(seed))


@pytest.fixture(scope="module")
def batch(trained, planted):
    return trained.bundle.prepare(planted.table.slice(0, 12_000))


@pytest.fixture(scope="module")
def stage(trained, batch):
    return fit(trained, batch)


def test_without_a_match_the_score_is_the_dot_product(trained, batch):
    towers = TowersConfig(epochs=1, match=0)
    stage = fit(trained, batch, CONFIG.model_copy(update={"towers": towers}))
    few = batch.take(slice(0, 50))
    product = (stage.request_vectors(few.request) * stage.item_vectors(few.ad)).sum(1)
    assert np.allclose(1 / (1 + np.exp(-product.astype(float))), stage.score(few), atol=1e-6)
    assert stage.item_vectors(few.ad).shape == (50, 33)


def test_an_ads_vector_knows_nothing_of_the_request(trained, stage, batch):
    columns = AdColumns.of(trained.bundle.transform)
    rows = [row for row in trained.bundle.transform.spec.features if not row.of_request]
    assert len(columns.ids) == 6
    assert len(columns.numbers) == 2 * sum(row.group is Group.AD for row in rows if row.name == "ad_age_days")
    assert len(columns.numbers) + len(columns.match) == batch.ad.numbers.shape[1]
    few = batch.ad.take(slice(0, 20))
    numbers = few.numbers.copy()
    numbers[:, columns.match] += 1.0
    moved = replace(few, numbers=numbers)
    assert np.array_equal(stage.item_vectors(few), stage.item_vectors(moved))
    numbers[:, columns.numbers] += 1.0
    assert not np.array_equal(stage.item_vectors(few), stage.item_vectors(moved))


def test_one_request_scores_its_candidates_as_each_alone(stage, batch):
    few = batch.take(slice(0, 30))
    shared = FeatureBatch(few.request.take(np.array([3])), few.ad)
    scores = stage.score(shared)
    alone = [
        stage.score(FeatureBatch(shared.request, shared.ad.take(np.array([row]))))[0] for row in range(30)
    ]
    assert np.allclose(scores, alone, atol=1e-6)
    assert stage.score(shared.take(np.zeros(0, np.int64))).shape == (0,)


def test_the_towers_keep_the_models_best_far_better_than_chance(trained, stage, planted):
    batch = trained.bundle.prepare(planted.table.slice(12_000))
    found = cut_recall(stage, trained.bundle.network, batch, rng(), requests=5)
    assert (found.top, found.kept, found.candidates) == (50, 200, 1000)
    assert found.recall > 0.9
    stage.net.match, kept = None, stage.net.match
    try:
        assert cut_recall(stage, trained.bundle.network, batch, rng(), requests=5).recall < found.recall
    finally:
        stage.net.match = kept


def test_a_seed_fixes_the_towers_and_the_embeddings_are_the_models_own(trained, batch):
    few = batch.take(slice(0, 2000))
    before = trained.bundle.network.embedding.weight.detach().clone()
    quick = CONFIG.model_copy(update={"rows": 2000, "towers": TowersConfig(epochs=1)})
    one, same, other = (fit(trained, few, quick, seed).tensors() for seed in (1, 1, 2))
    for name in one:
        assert np.array_equal(one[name], same[name])
    assert not np.array_equal(one["ad.0.weight"], other["ad.0.weight"])
    assert np.array_equal(before, trained.bundle.network.embedding.weight.detach())


def test_a_bundle_with_towers_is_the_same_bundle_after_a_save(trained, stage, planted, tmp_path):
    bundle = trained.bundle.with_first_stage(stage)
    assert bundle.manifest.first_stage == "two_tower"
    assert bundle.id != trained.bundle.id
    bundle.save(tmp_path / "two")
    loaded = Bundle.load(tmp_path / "two")
    rows = planted.table.slice(0, 300)
    assert np.array_equal(loaded.prerank(rows), bundle.prerank(rows))
    assert np.array_equal(loaded.score(rows)["click"], trained.bundle.score(rows)["click"])


@pytest.mark.parametrize(
    ("data", "names"),
    [({"dim": 10**9}, "dim"), ({"pickle": 1}, "pickle"), ([], "towers"), ({"hidden": "x"}, "hidden")],
)
def test_widths_of_a_hostile_author_are_refused(data, names):
    with pytest.raises(InputError, match=names):
        TowerWidths.read(data)


def test_widths_that_do_not_fit_the_weights_are_refused(trained, stage, tmp_path):
    bundle = trained.bundle.with_first_stage(stage)
    stage.towers, kept = stage.towers.model_copy(update={"dim": 1000}), stage.towers
    try:
        bundle.with_first_stage(stage).save(tmp_path / "odd")
    finally:
        stage.towers = kept
    with pytest.raises(BundleError, match=r"weights\.safetensors: first_stage\.request\.2\.weight"):
        Bundle.load(tmp_path / "odd")
