"""The public sets as the benchmark splits them: nothing of the test part reaches the training part."""

import numpy as np
import pytest

from benchmarks import real_ipinyou, real_tables
from benchmarks.real import BOTH, NETWORK, predictions
from benchmarks.real_gain import gain
from benchmarks.real_models import blend
from calibration import metrics

needs_data = pytest.mark.skipif(
    not real_tables.DATA.is_dir(), reason="the public data sets are not beside the checkout"
)


@needs_data
def test_labels_and_what_repeats_them_are_no_features():
    for task in real_tables.tasks():
        read = {source for row in task.spec.features for source in row.sources}
        forbidden = {
            "click",
            "nonclk",
            "visit",
            "conversion",
            "spend",
            "attributed_time",
            "is_attributed",
            "id",
        }
        assert not read & forbidden
        assert not read & {"tag_category_list", "tag_brand_list"}
        assert read == {*task.words, *task.numbers}


@needs_data
def test_an_install_after_the_split_is_not_known_before_it():
    task = real_tables.talkingdata_task()
    moment = task.table["click_time"][task.train].as_py()
    times = task.table["attributed_time"].to_pylist()
    later = [k for k in range(task.train) if times[k] is not None and times[k] >= moment]
    assert later
    assert task.labels.click[later].all()
    assert not task.known.click[later].any()
    order = task.table["click_time"].to_numpy()
    assert np.all(order[:-1] <= order[1:])


@needs_data
def test_hillstroms_rows_are_drawn_and_every_purchase_follows_a_visit():
    task = real_tables.hillstrom_task()
    assert len(task.table) == 64_000
    assert np.all(task.labels.click[task.labels.conversion > 0.0] == 1.0)
    again = real_tables.hillstrom_task()
    assert again.table.equals(task.table)
    assert not real_tables.hillstrom_task(seed=2).table.equals(task.table)


def test_a_gain_is_below_zero_where_ours_is_the_better():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.9, 2_000)
    y = (rng.random(2_000) < truth).astype(float)
    row = gain("ours less theirs", truth, np.full(2_000, 0.5), y, "< 0")
    assert row.holds
    assert row.value == pytest.approx(metrics.log_loss(truth, y) - metrics.log_loss(np.full(2_000, 0.5), y))
    assert not gain("the reverse", np.full(2_000, 0.5), truth, y, "< 0").holds
    assert blend(np.array([0.2, 0.5]), np.array([0.8, 0.5])) == pytest.approx([0.5, 0.5])


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "bound"), [(real_tables.criteo_task, 0.873), (real_tables.avazu_task, 0.914)]
)
def test_ten_thousand_rows_reach_what_is_asked_of_them(make, bound):
    task = make()
    said, y = predictions(task), task.labels.click[task.train :]
    assert metrics.normalized_entropy(said[BOTH], y) <= bound
    assert metrics.auc(said[NETWORK], y) > 0.7


@needs_data
@pytest.mark.slow
def test_every_ipinyou_campaign_keeps_its_level_on_the_second_half():
    for name, file in real_ipinyou.LOGS.items():
        half = real_ipinyou.mend(file)
        assert 0.9 <= metrics.pcoc(half.mended["level"], half.click) <= 1.1
        if "2997" not in name:
            for way in real_ipinyou.WAYS:
                loss = metrics.log_loss(half.mended[way], half.click)
                assert loss < metrics.log_loss(half.logged, half.click)
