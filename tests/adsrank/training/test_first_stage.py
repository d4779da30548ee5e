import numpy as np

from adsrank.training.config import FirstStageConfig
from adsrank.training.first_stage import cut_recall, fit_first_stage


def rng(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def test_the_cut_keeps_the_models_best_far_better_than_chance(trained, planted):
    bundle = trained.bundle
    batch = bundle.prepare(planted.table)
    found = cut_recall(bundle.first_stage, bundle.network, batch, rng(), requests=5)
    assert (found.top, found.kept, found.candidates) == (50, 200, 1000)
    assert found.recall > 0.9
    tight = cut_recall(bundle.first_stage, bundle.network, batch, rng(), requests=5, kept=50)
    assert 0.4 < tight.recall < found.recall  # chance: 0.05
    whole = cut_recall(bundle.first_stage, bundle.network, batch, rng(), requests=2, kept=1000)
    assert whole.recall == 1.0


def test_a_booster_that_learned_nothing_is_found_out(trained, planted):
    bundle = trained.bundle
    batch = bundle.prepare(planted.table)
    blind = bundle.first_stage.__class__(bundle.first_stage.booster, -bundle.first_stage.prior_ * 5, [])
    blind.cheap = [0] * len(bundle.first_stage.cheap)
    assert cut_recall(blind, bundle.network, batch, rng(), requests=5).recall < 0.6


def test_a_seed_fixes_the_booster(trained, planted):
    bundle = trained.bundle
    batch = bundle.prepare(planted.table.slice(0, 4000))
    config = FirstStageConfig(rows=4000, trees=10)
    one, same, other = (
        fit_first_stage(bundle.transform, bundle.network, batch, config, rng(seed)).to_json()
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_a_table_smaller_than_the_cut_shrinks_the_question(trained, planted):
    bundle = trained.bundle
    found = cut_recall(bundle.first_stage, bundle.network, bundle.prepare(planted.table.slice(0, 100)), rng())
    assert (found.top, found.kept, found.candidates) == (5, 20, 100)
