"""What a search tries, and that it finds what is planted."""

import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.training import TrainConfig
from adsrank.training.prepare import prepare_table, stored
from adsrank.training.search import Choices, SearchSpace, changed
from adsrank.training.tune import TuneError, tune

BASE = TrainConfig(epochs=2, batch_size=512)


def test_the_first_trial_is_the_given_configuration_and_a_seed_repeats_the_rest():
    space = SearchSpace()
    trials = space.trials(6, BASE, seed=3)
    assert trials[0] == {}
    assert len(trials) == 6
    assert trials == space.trials(6, BASE, seed=3) != space.trials(6, BASE, seed=4)
    assert {tuple(trial) for trial in trials[1:]} == {tuple(space.settings)}


def test_draws_stay_in_their_range():
    rng = np.random.default_rng(0)
    drawn = [Choices(low=1e-4, high=1e-2, log=True).draw(rng) for _ in range(20_000)]
    assert 1e-4 <= min(drawn) < 2e-4
    assert np.median(drawn) == pytest.approx(1e-3, rel=0.1)  # even by the logarithm
    assert {Choices(low=1, high=3, whole=True).draw(rng) for _ in range(50)} == {1, 2, 3}
    assert {Choices(values=[8, "x"]).draw(rng) for _ in range(50)} == {8, "x"}


@pytest.mark.parametrize(
    "wrong", [{}, {"low": 1}, {"values": [1], "low": 0, "high": 1}, {"low": 2, "high": 1}]
)
def test_choices_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"low|values"):
        Choices.model_validate(wrong)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"learning_rat": 1}, "learning_rat"), ({"model.x.y": 1}, "model.x.y"), ({"epochs": 0}, "epochs")],
)
def test_a_setting_that_is_unknown_or_refused_is_named(changes, named):
    with pytest.raises(InputError, match=named):
        changed(BASE, changes)


def test_a_dotted_name_reaches_into_a_section():
    config = changed(BASE, {"model.embedding": 4, "learning_rate": 0.5})
    assert (config.model.embedding, config.learning_rate, config.epochs) == (4, 0.5, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("split.train", 0.5), ("task_weights", {"click": 0.1}), ("late_conversions", "importance")],
)
def test_losses_that_do_not_compare_are_not_searched(tmp_path, few_rows, name, value):
    space = SearchSpace(settings={name: Choices(values=[value])})
    prepared = prepare_table(few_rows, FeatureSpec.default(), BASE)
    with pytest.raises(InputError, match=f"{name}.*not to be searched"):
        tune(prepared, tmp_path, BASE, space, 2)


@pytest.mark.slow
@pytest.mark.ray
def test_ray_tune_finds_the_rate_that_learns(few_rows, tmp_path):
    """Beside rates at which nothing is learned, the one that learns wins, and what failed is told."""
    prepared = stored(prepare_table(few_rows, FeatureSpec.default(), BASE), tmp_path)
    base = BASE.model_copy(update={"learning_rate": 1e-7})
    space = SearchSpace(settings={"learning_rate": Choices(values=[2e-3])})
    found = tune(prepared, tmp_path, base, space, 2, at_once=2)
    assert found.config == base.model_copy(update={"learning_rate": 2e-3})
    assert [trial.changes for trial in found.trials] == [{"learning_rate": 2e-3}, {}]
    losses = [trial.loss for trial in found.trials]
    assert losses[0] is not None
    assert losses[1] is not None
    assert losses[0] < losses[1]
    assert all(trial.epochs >= 1 for trial in found.trials)
    impossible = SearchSpace(settings={"model.surface_tower": Choices(values=[8])})
    spec = FeatureSpec.default()
    without = spec.model_copy(update={"features": [r for r in spec.features if r.name != "surface"]})
    there = tmp_path / "without"
    bare = stored(prepare_table(few_rows, without, BASE), there)
    with pytest.raises(TuneError, match="surface"):
        tune(bare, there, changed(BASE, {"model.surface_tower": 8}), impossible, 1)
