"""The lazy optimizer beside torch's AdamW, and beside its own words."""

import pytest
import torch

from adsrank.training.lazy_adam import LazyAdam

RATES = [0.01, 0.02, 0.005, 0.01]


def step(table: LazyAdam, rows: list[int], gradient: torch.Tensor, rate: float) -> None:
    met = torch.tensor(rows)
    values = table.gather(met)
    values.grad = gradient
    table.step(met, values, rate)


def test_where_every_row_is_met_it_is_adamw():
    generator = torch.Generator().manual_seed(0)
    begin = torch.randn(5, 3, generator=generator)
    lazy = LazyAdam(begin.clone(), decay=2.0, epsilon=1e-4)
    dense = torch.nn.Parameter(begin.clone())
    optimizer = torch.optim.AdamW([dense], lr=1.0, weight_decay=2.0, eps=1e-4)
    for rate in RATES:
        gradient = torch.randn(5, 3, generator=generator)
        step(lazy, [0, 1, 2, 3, 4], gradient, rate)
        optimizer.param_groups[0]["lr"] = rate
        dense.grad = gradient.clone()
        optimizer.step()
    assert torch.allclose(lazy.table, dense, atol=1e-6)


def test_a_row_never_met_shrinks_as_under_adamw_and_its_moments_stay():
    lazy = LazyAdam(torch.ones(3, 2), decay=5.0, epsilon=1e-8)
    for rate in RATES:
        step(lazy, [1], torch.ones(1, 2), rate)
    assert torch.equal(lazy.table[0], torch.ones(2))  # owed, not yet paid
    lazy.settle()
    shrunk = torch.tensor(RATES, dtype=torch.float64).mul(-5.0).add(1).prod()
    assert lazy.table[0].tolist() == pytest.approx([float(shrunk)] * 2)
    assert not lazy.first[0].any()
    assert not lazy.second[0].any()


def test_decay_is_paid_once_however_often_it_is_asked_for():
    often, once = (LazyAdam(torch.ones(4, 2), decay=3.0, epsilon=1e-8) for _ in range(2))
    for number, rate in enumerate(RATES):
        for table in (often, once):
            step(table, [number % 2], torch.full((1, 2), 0.5), rate)
        often.settle()
    once.settle()
    assert torch.allclose(often.table, once.table)


def test_a_row_met_again_moves_by_its_old_moments():
    """First moment after two meetings: .1 g1 decayed once, not once a step in between."""
    lazy = LazyAdam(torch.zeros(2, 1), decay=0.0, epsilon=1e-8)
    step(lazy, [0], torch.tensor([[1.0]]), 0.1)
    for _ in range(5):
        step(lazy, [1], torch.tensor([[1.0]]), 0.1)
    step(lazy, [0], torch.tensor([[0.0]]), 0.1)
    assert float(lazy.first[0, 0]) == pytest.approx(0.1 * 0.9)


def test_it_goes_on_from_its_state_to_the_bit():
    generator = torch.Generator().manual_seed(1)
    one = LazyAdam(torch.randn(6, 2, generator=generator), decay=1.0, epsilon=1e-8)
    step(one, [0, 2], torch.randn(2, 2, generator=generator), 0.1)
    tensors, numbers = one.state()
    other = LazyAdam(one.table.clone(), decay=1.0, epsilon=1e-8)
    other.restore({name: value.clone() for name, value in tensors.items()}, numbers)
    gradient = torch.randn(3, 2, generator=generator)
    for table in (one, other):
        step(table, [0, 1, 5], gradient.clone(), 0.05)
        table.settle()
    assert torch.equal(one.table, other.table)
