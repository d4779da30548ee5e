import json

import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.models.config import ModelConfig
from adsrank.training import TrainConfig
from adsrank.training.transfer import COLUMNS, TaskTransfer, TransferReport, transfer

N = 6_000


def quarrel(seed=0):
    """Clicks follow an id by one law and hides by another that has nothing to do with it."""
    rng = np.random.default_rng(seed)
    ad = rng.integers(0, 300, N)
    likes, hates = rng.normal(0, 1.5, 300), rng.normal(0, 1.5, 300)
    time = np.sort(rng.integers(0, 10 * 86_400, N)).astype("datetime64[s]").astype("datetime64[us]")

    def flag(score):
        return pa.array((rng.random(N) < 1 / (1 + np.exp(-score))).astype(np.int8))

    zero = pa.array(np.zeros(N, np.int8))
    return pa.table(
        {
            "time": pa.array(time.astype("datetime64[us]"), pa.timestamp("us")).cast(
                pa.timestamp("us", tz="UTC")
            ),
            "position": pa.array(np.ones(N, np.int32)),
            "gap": pa.array(np.zeros(N, np.int32)),
            "ad_id": ad,
            "click": flag(likes[ad] - 1),
            "save": zero,
            "hide": flag(hates[ad] - 1),
            "conversion": zero,
        }
    )


SPEC = FeatureSpec.model_validate(
    {
        "features": [
            {"name": "ad_id", "source": "ad_id", "type": "integer", "transform": "vocabulary", "group": "ad"}
        ]
    }
)


def settings(**size):
    narrow = {"embedding": 8, "experts": 1, "mixture": "shared_bottom", "products": False, **size}
    return TrainConfig(
        heads=("click", "save", "hide"),
        epochs=6,
        batch_size=128,
        attribution_days=0.0,
        learn_exposure=False,
        embedding_decay=0.0,
        learning_rate=5e-3,
        model=ModelConfig.model_validate(narrow),
    )


@pytest.fixture(scope="module")
def quarrelling():
    """Two unrelated tasks through one narrow bottom."""
    steps = []
    report = transfer(
        quarrel(),
        SPEC,
        settings(embedding=1, hidden=1, output=1),
        lambda stage, done, total: steps.append((stage, done, total)),
    )
    stages = [f"transfer, fit {number} of 4" for number in (1, 2, 3, 4)]
    assert list(dict.fromkeys(stage for stage, _, _ in steps)) == stages
    for stage in stages:
        done = [(rows, total) for told, rows, total in steps if told == stage]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1] == done[0][1]
    return report


def test_tasks_that_crowd_each_other_out_are_found(quarrelling):
    """One number an ad cannot say two things: at least one task must do worse than alone."""
    verdicts = {task.head: task.verdict for task in quarrelling.tasks}
    assert set(verdicts) == {"click", "hide"}
    assert "hurts" in verdicts.values()
    for task in quarrelling.tasks:
        assert task.low <= task.change <= task.high
        assert task.change == pytest.approx(task.together - task.alone, abs=1e-9)
    assert min(task.alone for task in quarrelling.tasks) < 0.97


def test_a_task_that_the_rows_cannot_judge_is_named(quarrelling):
    assert quarrelling.undecided == ("save",)


def test_with_room_enough_the_same_tasks_leave_each_other_alone(quarrelling):
    report = transfer(quarrel(), SPEC, settings(hidden=32, output=16))
    crowded = {task.head: task.change for task in quarrelling.tasks}
    assert sum(task.change for task in report.tasks) < 0.5 * sum(crowded.values())


def test_the_report_is_json_and_rows(quarrelling):
    data = json.loads(json.dumps(quarrelling.to_json(), allow_nan=False))
    assert data["seeds"] == 1
    assert [task["verdict"] for task in data["tasks"]] == [task.verdict for task in quarrelling.tasks]
    assert all(len(row) == len(COLUMNS) for row in quarrelling.rows())
    assert TransferReport.from_json(data) == quarrelling


def test_one_task_has_no_others_to_be_compared_with():
    with pytest.raises(InputError, match="two or more"):
        transfer(quarrel(), SPEC, settings().model_copy(update={"heads": ("click",)}))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.001, 0.01, "hurts"), (-0.02, -0.001, "helps"), (-0.01, 0.01, "no difference seen")],
)
def test_a_verdict_needs_an_interval_without_zero(low, high, verdict):
    task = TaskTransfer("click", 10, 0.9, 0.9, 0.0, low, high)
    assert task.verdict == verdict
    assert TransferReport((task,), (), 1).to_json()["tasks"][0]["verdict"] == verdict
