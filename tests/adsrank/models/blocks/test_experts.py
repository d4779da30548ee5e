import numpy as np
import pytest
import torch

from adsrank.models.blocks.experts import Experts
from adsrank.models.blocks.towers import SurfaceTowers, Towers
from adsrank.models.config import ModelConfig
from tests.adsrank.models.blocks import slow

TASKS, N, HIDDEN, OUT = 3, 5, 6, 4


def made(**size):
    config = ModelConfig(hidden=HIDDEN, output=OUT, **size)
    block = Experts(7, 9, TASKS, config)
    with torch.no_grad():
        block.initialize(torch.Generator().manual_seed(0))
        for name, weight in block.named_parameters():
            if "bias" in name or "gate" in name or "pool" in name:  # even gates would hide an error
                weight.normal_(0.2, 1.0, generator=torch.Generator().manual_seed(len(name)))
    return block


def inputs(r):
    g = torch.Generator().manual_seed(3)
    return torch.randn(r, 7, generator=g), torch.randn(N, 9, generator=g)


def first_level(w, x, count):
    weight = np.concatenate([w["first.request_weight"], w["first.ad_weight"]]).T
    return [
        slow.expert(
            x,
            weight[e * HIDDEN : (e + 1) * HIDDEN],
            w["first.bias"][e * HIDDEN : (e + 1) * HIDDEN],
            w["second_weight"][e],
            w["second_bias"][e][0],
        )
        for e in range(count)
    ]


def gates(w, x):
    return slow.dot(np.concatenate([w["gate.request_weight"], w["gate.ad_weight"]]).T, x, w["gate.bias"])


def read(experts, task, shared, own):
    """The experts that a task may read: the shared ones, then its own."""
    return experts[:shared] + experts[shared + task * own : shared + (task + 1) * own]


@pytest.mark.parametrize("r", [1, N])
@pytest.mark.parametrize(
    ("size", "shared", "own"),
    [
        ({"mixture": "shared_bottom", "experts": 1}, 1, 0),
        ({"mixture": "mmoe", "experts": 3}, 3, 0),
        ({"mixture": "ple", "experts": 2, "task_experts": 2}, 2, 2),
    ],
)
def test_a_task_mixes_the_experts_it_may_read(r, size, shared, own):
    block, (request, ad) = made(**size), inputs(r)
    w, found = slow.state(block), block(request, ad).detach()
    assert found.shape == (TASKS, N, OUT)
    for i in range(N):
        x = [*request[min(i, r - 1)].tolist(), *ad[i].tolist()]
        experts = first_level(w, x, shared + TASKS * own)
        for task in range(TASKS):
            mine = read(experts, task, shared, own)
            if len(mine) == 1 and not own:
                expected = mine[0]
            else:
                expected = slow.mix(gates(w, x)[task * len(mine) : (task + 1) * len(mine)], mine)
            assert found[task, i].tolist() == pytest.approx(expected, abs=1e-4)


def test_extraction_levels_build_on_each_others_mixes():
    shared, own, levels = 2, 1, 3
    block, (request, ad) = made(mixture="ple", experts=shared, task_experts=own, levels=levels), inputs(1)
    w, found = slow.state(block), block(request, ad).detach()
    assert found.shape == (TASKS, N, OUT)
    width = shared + own
    for i in range(N):
        x = [*request[0].tolist(), *ad[i].tolist()]
        experts, gate = first_level(w, x, shared + TASKS * own), gates(w, x)
        below = [
            slow.mix(gate[t * width : (t + 1) * width], read(experts, t, shared, own)) for t in range(TASKS)
        ]
        below.append(slow.mix(gate[TASKS * width :], experts))
        for level in range(levels - 1):
            name = f"above.{level}."
            source = [TASKS] * shared + [t for t in range(TASKS) for _ in range(own)]
            experts = [
                slow.expert(
                    below[source[e]],
                    w[name + "first_weight"][e].T,
                    w[name + "first_bias"][e][0],
                    w[name + "second_weight"][e],
                    w[name + "second_bias"][e][0],
                )
                for e in range(len(source))
            ]
            mixed = [
                slow.mix(slow.dot(w[name + "gate_weight"][t].T, below[t]), read(experts, t, shared, own))
                for t in range(TASKS)
            ]
            if level < levels - 2:
                mixed.append(slow.mix(slow.dot(w[name + "pool_weight"].T, below[TASKS]), experts))
            below = mixed
        for task in range(TASKS):
            assert found[task, i].tolist() == pytest.approx(below[task], abs=1e-4)


def test_a_tasks_own_experts_are_not_read_by_another():
    block, (request, ad) = made(mixture="ple", experts=1, task_experts=1), inputs(N)
    before = block(request, ad).detach()
    with torch.no_grad():
        block.second_bias[1] += 1.0  # the first task's own
    after = block(request, ad).detach()
    assert not torch.allclose(before[0], after[0])
    assert torch.equal(before[1:], after[1:])


def towers(surfaces=4):
    shared, own = Towers(TASKS, OUT, 5), SurfaceTowers(surfaces, TASKS, OUT, 3)
    with torch.no_grad():
        shared.initialize(torch.Generator().manual_seed(0), [-1.0, 0.0, 2.0])
        own.initialize(torch.Generator().manual_seed(1))
    return shared, own


def tower(mixed, weight, bias, head):
    hidden = slow.relu(slow.dot(weight.T, mixed, bias[0]))
    return slow.dot(head.T, hidden)[0]


def test_towers_and_what_a_surface_adds():
    shared, own = towers()
    torch.nn.init.normal_(own.head_weight, generator=torch.Generator().manual_seed(2))
    torch.nn.init.normal_(own.hidden_bias, generator=torch.Generator().manual_seed(4))
    mixed = torch.randn(TASKS, N, OUT, generator=torch.Generator().manual_seed(3))
    surface = torch.tensor([0, 1, 4, 2, 4])
    a, b = slow.state(shared), slow.state(own)
    plain, added = shared(mixed).detach(), own(mixed, surface).detach()
    for i in range(N):
        for task in range(TASKS):
            z = mixed[task, i].tolist()
            expected = tower(z, a["weight"][task], a["hidden_bias"][task], a["head_weight"][task].T)
            assert plain[i, task] == pytest.approx(expected + a["head_bias"][task], abs=1e-4)
            at = int(surface[i]) - 1
            if at < 0:
                assert added[i, task] == 0
                continue
            expected = tower(z, b["weight"][at, task], b["hidden_bias"][at, task], b["head_weight"][at, task])
            assert added[i, task] == pytest.approx(expected, abs=1e-4)
        alone = own(mixed, surface[i : i + 1]).detach()
        assert torch.allclose(alone[i], added[i], atol=1e-5)


def test_a_surface_adds_nothing_before_training():
    _, own = towers()
    mixed = torch.randn(TASKS, N, OUT)
    assert not own(mixed, torch.tensor([1, 2, 3, 4, 0])).any()
