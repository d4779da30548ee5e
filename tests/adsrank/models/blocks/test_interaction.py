import numpy as np
import pytest
import torch

from adsrank.models.blocks.dcn import CrossNetwork
from adsrank.models.blocks.fm import FactorizationMachine
from adsrank.models.blocks.split_linear import SplitLinear, initialize
from adsrank.models.blocks.stack import InteractionStack
from adsrank.models.blocks.summary import Summary
from adsrank.models.half import Embedded
from tests.adsrank.models.blocks import slow

E, N = 4, 6


def halves(r, seed=0):
    g = torch.Generator().manual_seed(seed)

    def draw(rows, fields, numbers):
        return Embedded(torch.randn(rows, fields, E, generator=g), torch.randn(rows, numbers, generator=g))

    return draw(r, 3, 2), draw(N, 2, 3)


def made(block, seed=1):
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        if isinstance(block, SplitLinear):
            initialize([(block, 1.0)], generator)
        else:
            block.initialize(generator)
        for name, weight in block.named_parameters():
            if "bias" in name or "norm" in name:  # zeros and ones would hide an error
                weight.normal_(0.5, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return block


def row(half, i):
    i = min(i, len(half.vectors) - 1)
    return half.vectors[i].numpy().tolist(), half.numbers[i].numpy().tolist()


def flat(vectors, numbers):
    return [v for vector in vectors for v in vector] + numbers


@pytest.mark.parametrize("r", [1, N])
def test_the_machine_is_the_sum_over_all_pairs(r):
    request, ad = halves(r)
    found = FactorizationMachine(E)(request, ad)
    for i in range(N):
        assert found[i].tolist() == pytest.approx(slow.pairs(row(request, i)[0] + row(ad, i)[0]), abs=1e-5)


@pytest.mark.parametrize("r", [1, N])
@pytest.mark.parametrize("rank", [0, 3])
def test_a_cross_network_is_its_recurrence(r, rank):
    request, ad = halves(r)
    block = made(CrossNetwork(5 * E + 5, 2, rank))
    weights = slow.state(block)
    found = block(request, ad).detach()
    for i in range(N):
        first = flat(*row(request, i)) + flat(*row(ad, i))
        x = first
        for layer in range(2):
            low = slow.dot(weights[f"layers.{layer}.inner"], x) if rank else x
            crossed = slow.dot(weights[f"layers.{layer}.weight"], low, weights[f"layers.{layer}.bias"])
            x = [a * b + c for a, b, c in zip(first, crossed, x, strict=True)]
        assert found[i].tolist() == pytest.approx([a - b for a, b in zip(x, first, strict=True)], abs=1e-4)


@pytest.mark.parametrize("r", [1, N])
@pytest.mark.parametrize("rank", [0, 3])
def test_a_stack_is_machine_cross_and_shortcut_under_a_norm(r, rank):
    request, ad = halves(r)
    k = 3
    block = made(InteractionStack((3, 2), (2, 3), E, 2, k, rank))
    w = slow.state(block)
    found = block(request, ad).detach()
    for i in range(N):
        asked, offered = row(request, i), row(ad, i)
        x = [*asked[0], slow.dot(w["request_numbers"].T, asked[1])]
        x += [*offered[0], slow.dot(w["ad_numbers"].T, offered[1])]
        for layer in range(2):
            name = f"layers.{layer}."

            def compress(which, rows, name=name):
                return [slow.dot(np.array(rows).T, line) for line in w[name + which]]

            few = compress("compress.weight", x)
            met = [
                sum(p * q for p, q in zip(few[a], few[b], strict=True))
                for a in range(k)
                for b in range(a + 1, k)
            ]
            products = slow.dot(w[name + "pairs"], met)
            line = [v for vector in x for v in vector]
            low = slow.dot(w[name + "cross.inner"], line) if rank else line
            crossed = slow.dot(w[name + "cross.weight"], low, w[name + "cross.bias"])
            crossed = [a * b for a, b in zip(line, crossed, strict=True)]
            cut = [crossed[E * j : E * j + E] for j in range(len(x))]
            total = (
                np.array(products).reshape(k, E)
                + compress("crossed.weight", cut)
                + compress("shortcut.weight", x)
            )
            x = [
                slow.layer_norm(line, w[name + "norm.weight"], w[name + "norm.bias"])
                for line in total.tolist()
            ]
        assert found[i].tolist() == pytest.approx([v for vector in x for v in vector], abs=1e-4)


def test_a_summary_is_a_linear_map_of_the_fields():
    request, _ = halves(N)
    block = made(Summary(3, 2))
    found = block(request.vectors).detach()
    weights = slow.state(block)["weight"]
    for i in range(N):
        for j in range(2):
            expected = [
                sum(weights[j][f] * float(request.vectors[i, f, e]) for f in range(3)) for e in range(E)
            ]
            assert found[i, j].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("r", [1, N])
def test_a_split_layer_is_a_layer_over_both_halves(r):
    request, ad = halves(r)
    block = made(SplitLinear(3 * E + 2, 2 * E + 3, 5))
    w = slow.state(block)
    found = block(request.flat, ad.flat).detach()
    weight = np.concatenate([w["request_weight"], w["ad_weight"]]).T
    for i in range(N):
        both = flat(*row(request, i)) + flat(*row(ad, i))
        assert found[i].tolist() == pytest.approx(slow.dot(weight, both, w["bias"]), abs=1e-4)
