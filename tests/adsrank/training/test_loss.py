"""The loss against its formulas in plain numbers."""

import math

import numpy as np
import pytest
import torch

from adsrank.errors import InputError
from adsrank.models.config import ModelConfig
from adsrank.models.exposure import ExposureCurve
from adsrank.models.heads import DEFAULT_HEADS, HEADS
from adsrank.training import TrainConfig, train
from adsrank.training.labels import Labels
from adsrank.training.loss import Targets, loss, terms

CURVE = ExposureCurve(0.9 ** np.arange(64), np.array([0.6, 0.75, 0.85, 0.95]))
N = 400


def labels(seed=0):
    rng = np.random.default_rng(seed)

    def flag(rate):
        return (rng.random(N) < rate).astype(float)

    click = flag(0.4)
    bought = click * flag(0.5)
    return Labels(
        np.arange(N),
        rng.integers(1, 20, N),
        rng.integers(0, 8, N),
        click,
        flag(0.2),
        flag(0.1),
        bought,
        np.arange(N) < 300,
        click * flag(0.6),
        np.where(bought > 0, np.rint(rng.lognormal(17, 0.8, N)), 0.0) * (rng.random(N) < 0.9),
    )


def outputs(heads, seed=1):
    found = torch.randn(N, len(heads), generator=torch.Generator().manual_seed(seed)) - 1.0
    if "order_value" in heads:
        found[:, heads.index("order_value")] += 18.0
    return found


def by_hand(found, known, config):
    """Task -> mean loss, a row at a time; and the share of rows each speaks of."""
    seen = CURVE.of(known.position, known.gap)
    losses = dict.fromkeys((*config.heads, "click_conversion"), 0.0)
    share = dict.fromkeys(losses, 0)
    for i in range(N):
        p = {head: 1 / (1 + math.exp(-float(found[i, n]))) for n, head in enumerate(config.heads)}
        for n, head in enumerate(config.heads):
            if head == "conversion_given_click":
                if known.mature[i] and known.click[i]:
                    happened = known.conversion[i]
                    losses[head] -= math.log(p[head] if happened else 1 - p[head])
                    share[head] += 1
                if known.mature[i]:
                    joint = seen[i] * p["click"] * p[head]
                    losses["click_conversion"] -= math.log(joint if known.conversion[i] else 1 - joint)
                    share["click_conversion"] += 1
            elif head == "order_value":
                if known.mature[i] and known.conversion[i] and known.order_value[i] > 0:
                    ratio = known.order_value[i] / math.exp(float(found[i, n]))
                    losses[head] += ratio - 1 - math.log(ratio)
                    share[head] += 1
            else:
                x = seen[i] * p[head]
                losses[head] -= math.log(x if known.of(head)[i] else 1 - x)
                share[head] += 1
    return {task: value / N for task, value in losses.items()}, {task: c / N for task, c in share.items()}


@pytest.mark.parametrize("entire_space", [0.5, 1.0])
@pytest.mark.parametrize("heads", [HEADS, DEFAULT_HEADS, ("click", "conversion_given_click")])
def test_the_loss_is_the_weighted_sum_of_the_tasks_likelihoods(heads, entire_space):
    weights = {"conversion_given_click": 2.0}
    config = TrainConfig(heads=heads, entire_space=entire_space, task_weights=weights)
    found, known = outputs(heads), labels()
    expected, share = by_hand(found, known, config)
    targets = Targets(known, CURVE)
    for term in terms(found, targets, config):
        assert float(term.loss) == pytest.approx(expected[term.task], rel=1e-4)
        assert term.share is None or float(term.share) == pytest.approx(share[term.task])
    total = sum(value * weights.get(task, 1.0) for task, value in expected.items() if task in heads)
    total += entire_space * expected["click_conversion"]
    assert float(loss(found, targets, config)) == pytest.approx(total, rel=1e-4)


def test_a_share_of_the_rows_is_their_own_loss():
    config, found, known = TrainConfig(heads=HEADS), outputs(HEADS), labels()
    rows = torch.tensor([3, 50, 51, 399, 120])
    taken = loss(found[rows], Targets(known, CURVE).take(rows), config)
    assert float(taken) == pytest.approx(
        float(loss(found[rows], Targets(known.take(rows.numpy()), CURVE), config)), rel=1e-6
    )


def test_learned_uncertainty_is_minimal_at_each_tasks_own_noise():
    """At s = log(2 L / share) the derivative in s is 0: a task's weight is 1 / (2 its loss a row)."""
    config, found, known = TrainConfig(heads=HEADS), outputs(HEADS), labels()
    targets = Targets(known, CURVE)
    best = torch.zeros(len(HEADS) + 1)
    for term in terms(found, targets, config):
        at = -1 if term.task == "click_conversion" else HEADS.index(term.task)
        own = term.weight * term.loss / (1.0 if term.share is None else term.share)
        best[at] = torch.log(2 * own)
    best.requires_grad_()
    value = loss(found, targets, config, best)
    value.backward()
    assert best.grad.numpy() == pytest.approx(0, abs=1e-6)
    for moved in (best.detach() + 0.1, best.detach() - 0.1):
        assert float(loss(found, targets, config, moved)) > float(value.detach())
    even = loss(found, targets, config, torch.zeros(len(HEADS) + 1))
    assert float(even) == pytest.approx(float(loss(found, targets, config)), rel=1e-6)


def test_the_place_is_counted_once():
    """Where an ad stood changes what was observed of p, never p: the best p for a place is rate / (e g)."""
    n, p = 200_000, 0.2
    rng = np.random.default_rng(0)
    position = rng.integers(1, 30, n)
    share = CURVE.of(position, np.zeros(n, np.int64))
    click, none = (rng.random(n) < share * p).astype(float), np.zeros(n)
    known = Labels(np.arange(n), position, np.zeros(n, np.int64), click, none, none, none, np.ones(n, bool))
    config, targets = TrainConfig(heads=("click",)), Targets(known, CURVE)
    grid = np.linspace(0.1, 0.3, 81)
    losses = [float(loss(torch.full((n, 1), math.log(q / (1 - q))), targets, config)) for q in grid]
    assert grid[int(np.argmin(losses))] == pytest.approx(p, abs=0.006)


def test_an_order_worth_absurdly_much_moves_no_weight_to_infinity():
    config, known = TrainConfig(heads=HEADS), labels()
    known.order_value[known.conversion > 0] = 1e15
    found = outputs(HEADS)
    found[:, 5] = -60.0
    found.requires_grad_()
    value = loss(found, Targets(known, CURVE), config)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(found.grad).all()


def test_the_gamma_mean_adds_up_to_what_was_paid():
    """One free mean a group: the likelihood is best where predicted and paid sums agree, whatever the law."""
    rng = np.random.default_rng(3)
    worth = np.rint(rng.lognormal(17, 1.2, N))
    one, none = np.ones(N), np.zeros(N)
    known = Labels(
        np.arange(N), one.astype(int), none.astype(int), one, none, none, one, one > 0, order_value=worth
    )
    heads = ("click", "conversion_given_click", "order_value")
    config, targets = TrainConfig(heads=heads), Targets(known, CURVE)
    free = torch.zeros(1, 3)
    free[0, 2] = math.log(worth.mean())
    free.requires_grad_()
    loss(free.expand(N, 3), targets, config).backward()
    assert float(free.grad[0, 2]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("head", "column"), [("long_click", "long_click"), ("order_value", "value_micros")])
def test_a_head_without_its_column_is_named(few_rows, head, column):
    if column in few_rows.column_names:
        few_rows = few_rows.drop_columns([column])
    with pytest.raises(InputError, match=column):
        train(few_rows, config=TrainConfig(epochs=1, heads=(*DEFAULT_HEADS, head)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_weights": {"long_click": 1.0}}, "none of the heads"),
        ({"task_weights": {"click": -1.0}}, "from 0 to 1000"),
        ({"heads": ("click", "order_value")}, "conversion_given_click"),
        ({"heads": ("click", "hide", "save")}, "in that order"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.model_validate(changes)


def test_amounts_and_learned_weights_train_into_a_bundle(few_rows):
    """All six heads, weighted by learned uncertainty: expected order values add up to those paid."""
    clicked = few_rows["click"].to_numpy()
    rng = np.random.default_rng(0)
    worth = few_rows["value_micros"].to_numpy()
    table = few_rows.append_column("long_click", [clicked * (rng.random(len(clicked)) < 0.5).astype(np.int8)])
    spread = np.where(worth > 0, np.rint(worth * rng.gamma(2.0, 0.5, len(worth))) + 1, 0)
    at = table.column_names.index("value_micros")
    table = table.set_column(at, "value_micros", [spread.astype(np.int64)])
    config = TrainConfig(heads=HEADS, epochs=2, batch_size=256, model=ModelConfig(uncertainty=True))
    trained = train(table, config=config)
    expected = trained.bundle.network.values(trained.bundle.prepare(table))["order_value"]
    assert expected[spread > 0].sum() / spread.sum() == pytest.approx(1.0, abs=0.2)
    assert trained.report["amounts"]["order_value"]["rows"] > 0
    assert trained.report["heads"]["long_click"]["auc"] > 0.55
    rows = trained.bundle.prepare(table.slice(0, 50))
    assert set(trained.bundle.calibrate(trained.bundle.score(rows))) == {
        *(f"p_{head}" for head in HEADS[:5]),
        "p_click_conversion",
    }
    learned = trained.bundle.network.log_variance.detach().numpy()
    assert np.abs(learned).max() > 0.01
