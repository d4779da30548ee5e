import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import roc_auc_score

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.training import TrainConfig, train
from adsrank.training.labels import Labels
from adsrank.training.split import Split

SMALL = TrainConfig(epochs=1, batch_size=512)


def later(planted):
    labels = Labels.read(planted.table, 3.0)
    return Split.by_time(labels, TrainConfig().split).test, labels


def test_a_planted_signal_is_learned_nearly_as_well_as_possible(trained, planted):
    """In the mean of three seeds: one seed's luck moves each figure by more than a bound leaves."""
    rows, labels = later(planted)
    table = planted.table.take(pa.array(rows))
    others = [train(planted.table, config=TrainConfig(batch_size=256, seed=seed)) for seed in (8, 9)]
    found = [each.bundle.score(table) for each in (trained, *others)]
    for head, truth, least in (("click", planted.p_click, 0.85), ("save", planted.p_save, 0.55)):
        best = roc_auc_score(labels.of(head)[rows], truth[rows]) - 0.5
        lift = np.mean([roc_auc_score(labels.of(head)[rows], raw[head]) for raw in found]) - 0.5
        assert lift >= least * best
    closeness = [np.corrcoef(np.log(raw["click"]), np.log(planted.p_click[rows]))[0, 1] for raw in found]
    assert np.mean(closeness) > 0.85


def test_the_exposure_is_learned_from_the_log(trained, planted):
    learned = trained.bundle.exposure
    assert learned.examination[:25] == pytest.approx(planted.examination[:25], rel=0.25)
    assert learned.gap_effect == pytest.approx(planted.gap_effect, abs=0.15)


def test_probabilities_are_of_an_ad_that_is_seen(trained, planted):
    """The place is counted once: the same ad has the same p wherever it stood."""
    rows = planted.table.slice(0, 100)
    bottom = rows.set_column(
        rows.column_names.index("position"), "position", pa.array([60] * 100, pa.int32())
    )
    assert np.array_equal(trained.bundle.score(rows)["click"], trained.bundle.score(bottom)["click"])
    p = trained.bundle.calibrate(trained.bundle.score(planted.table))["p_click"]
    assert p.mean() == pytest.approx(planted.p_click.mean(), rel=0.12)


def test_the_report_judges_each_head_on_later_rows(trained, planted):
    report = trained.report
    assert set(report["heads"]) == {"click", "conversion_given_click", "save", "hide", "click_conversion"}
    rows, labels = later(planted)
    click = report["heads"]["click"]
    assert click["rows"] == len(rows)
    assert click["positives"] == labels.click[rows].sum()
    assert click["normalized_entropy"] < 0.95
    assert 0.9 < click["pcoc"] < 1.1
    given = report["heads"]["conversion_given_click"]
    assert given["rows"] == (labels.mature & (labels.click > 0))[rows].sum()
    split = report["split"]
    assert split["train"]["from"] < split["calibrate"]["from"] < split["test"]["from"] < split["until"]
    assert report["first_stage"]["recall"] > 0.8


def test_nothing_is_learned_from_later_rows(planted):
    """Scrambling every label after the training rows changes neither features nor weights' signal."""
    labels = Labels.read(planted.table, 3.0)
    end = Split.by_time(labels, SMALL.split).train_end
    flipped = planted.table
    for name in ("save", "hide"):
        values = flipped[name].to_numpy().copy()
        values[end:] = 1 - values[end:]
        flipped = flipped.set_column(flipped.column_names.index(name), name, pa.array(values, pa.int8()))
    one, other = train(planted.table, config=SMALL).bundle, train(flipped, config=SMALL).bundle
    assert one.transform.to_json() == other.transform.to_json()
    ours, theirs = one.network.state_dict(), other.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert one.exposure == other.exposure
    assert one.probabilities.to_json() != other.probabilities.to_json()


def test_a_seed_reproduces_the_bundle_to_the_bit(few_rows):
    one, same = train(few_rows, config=SMALL), train(few_rows, config=SMALL)
    assert one.bundle.id == same.bundle.id
    other = train(few_rows, config=SMALL.model_copy(update={"seed": 8}))
    assert other.bundle.id != one.bundle.id


def test_rows_in_any_order_of_time_train_the_same(few_rows):
    table = few_rows
    times = table["time"].cast(pa.int64()).to_numpy()
    reversed_requests = np.argsort(-times, kind="stable")
    assert (
        train(table.take(pa.array(reversed_requests)), config=SMALL).bundle.id
        == train(table, config=SMALL).bundle.id
    )


def test_progress_runs_to_its_end_in_each_stage(few_rows):
    seen: dict[str, list[tuple[int, int]]] = {}
    train(
        few_rows,
        config=SMALL,
        progress=lambda s, d, t: seen.setdefault(s, []).append((d, t)),
    )
    assert list(seen) == ["train", "calibrate", "distill"]
    for steps in seen.values():
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1]


def test_threads_are_given_back(few_rows):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        train(few_rows, config=SMALL)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_model_may_have_fewer_heads(planted, few_rows):
    config = TrainConfig(epochs=1, heads=("click", "hide"))
    bundle = train(few_rows, config=config).bundle
    assert set(bundle.calibrate(bundle.score(planted.table.slice(0, 8)))) == {"p_click", "p_hide"}


def test_labels_that_never_happen_leave_usable_probabilities(few_rows):
    table = few_rows
    for name in ("hide", "conversion"):
        table = table.set_column(
            table.column_names.index(name), name, pa.array(np.zeros(len(table)), pa.int8())
        )
    trained = train(table, config=SMALL)
    found = trained.bundle.calibrate(trained.bundle.score(table.slice(0, 100)))
    assert all(np.isfinite(p).all() and p.max() < 0.2 for p in (found["p_hide"], found["p_click_conversion"]))
    assert trained.report["heads"]["hide"]["auc"] is None


def test_a_feature_without_its_column_is_named(planted):
    with pytest.raises(InputError, match="similarity_mean"):
        train(planted.table.drop_columns(["similarity_mean"]), FeatureSpec.default(), SMALL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": ("save",)}, "heads"),
        ({"learning_rat": 1}, "did you mean 'learning_rate'"),
        ({"split": {"train": 0.9, "calibrate": 0.099}}, "leave at least"),
        ({"epochs": 0}, "greater than or equal to 1"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.model_validate(changes)
