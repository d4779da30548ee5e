import numpy as np
import pytest

from adsrank.models.bundle import assemble
from adsrank.models.difference import compare
from adsrank.training import TrainConfig, train


@pytest.fixture(scope="module")
def small(few_rows):
    return train(few_rows, config=TrainConfig(epochs=1, learning_rate=5e-3, seed=8)).bundle


def test_a_bundle_does_not_differ_from_itself(trained):
    found = compare(trained.bundle, trained.bundle)
    assert found.equal
    assert [found.fields, found.metrics, found.vocabularies, found.weights] == [[], [], [], []]
    assert {score.name: score.largest for score in found.scores} == dict.fromkeys(
        ("p_click", "p_conversion_given_click", "p_save", "p_hide", "p_click_conversion", "prerank"), 0.0
    )


def test_another_training_shows_in_every_part(trained, small):
    found = compare(trained.bundle, small)
    assert not found.equal
    changed = {change.name: (change.before, change.after) for change in found.fields}
    assert changed["data.rows"] == (trained.bundle.manifest.data.rows, small.manifest.data.rows)
    assert "training" in changed
    assert "embedding_space" not in changed
    assert {change.name for change in found.metrics} >= {"click.pcoc", "click.rows", "save.auc"}
    weights = {weight.name: weight for weight in found.weights}
    assert weights["towers.head_weight"].relative > 0.01
    assert weights["embedding.weight"].relative is None or not found.vocabularies
    scores = {score.name: score for score in found.scores}
    assert 0 < scores["p_click"].mean < scores["p_click"].largest


def test_a_column_that_the_other_does_not_have_is_said(trained, small):
    without = small.sample.columns.drop_columns(["similarity"])
    small.sample.columns, kept = without, small.sample.columns
    try:
        found = compare(trained.bundle, small)
    finally:
        small.sample.columns = kept
    assert found.scores == []
    assert "similarity" in found.unscored


def test_other_calibrators_alone_leave_the_weights_out(trained, planted):
    bundle = trained.bundle
    described = bundle.manifest.model_dump(exclude={"files", "first_stage"}) | {"conversion_rate": 0.5}
    other = assemble(
        described,
        bundle.transform,
        bundle.network,
        bundle.probabilities,
        bundle.first_stage,
        planted.table.slice(0, 10),
    )
    found = compare(bundle, other)
    assert [(change.name, change.after) for change in found.fields] == [("conversion_rate", 0.5)]
    assert found.weights == []
    assert np.isclose(max(score.largest for score in found.scores), 0.0)
