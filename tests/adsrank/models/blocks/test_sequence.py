import math

import numpy as np
import pytest
import torch

from adsrank.models.blocks.sequence import OLDEST, SequenceEncoder
from adsrank.models.config import SequenceConfig
from adsrank.models.half import Embedded, SequenceTensors
from tests.adsrank.models.blocks import slow

CONFIG = SequenceConfig(width=6, heads=2, layers=2, feed_forward=5, ages=4)
LENGTH, COLUMNS, E, AD = 5, 2, 3, 4


def made():
    block = SequenceEncoder(COLUMNS, E, AD, CONFIG)
    with torch.no_grad():
        block.initialize(torch.Generator().manual_seed(0))
        for name, weight in block.named_parameters():
            if "bias" in name or "norm" in name:
                weight.normal_(0.5, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return block


def sequences():
    """Four users: all places taken, some, one, none; what stands under padding must not matter."""
    g = torch.Generator().manual_seed(1)
    vectors = torch.randn(4, LENGTH, COLUMNS, E, generator=g)
    there = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    age = torch.rand(4, LENGTH, generator=g) * 20  # past the last knot too
    return vectors, there, age


def ads(n):
    """Features of n candidates, `AD` in all: one embedding, and the rest numbers."""
    g = torch.Generator().manual_seed(2)
    return Embedded(torch.randn(n, 1, E, generator=g), torch.randn(n, AD - E, generator=g))


def encoded_slowly(w, vectors, ages):
    """The outputs of the actions that are there, in plain loops."""
    rows = []
    for vector, age in zip(vectors, ages, strict=True):
        x = slow.dot(w["action"], vector.flatten().tolist())
        knots = len(w["age"])
        step = min(max(float(age), 0.0), OLDEST) * (knots - 1) / OLDEST
        for j in range(knots):
            near = max(0.0, 1.0 - abs(step - j))
            x = [a + near * float(b) for a, b in zip(x, w["age"][j], strict=True)]
        rows.append(x)
    width, heads = CONFIG.width, CONFIG.heads
    size = width // heads
    for layer in range(CONFIG.layers):
        name = f"layers.{layer}."
        normed = [slow.layer_norm(x, w[name + "before.weight"], w[name + "before.bias"]) for x in rows]
        three = [slow.dot(w[name + "into"], x) for x in normed]
        mixed = []
        for query in three:
            out = []
            for h in range(heads):
                q = query[h * size : (h + 1) * size]
                keys = [t[width + h * size : width + (h + 1) * size] for t in three]
                values = [t[2 * width + h * size : 2 * width + (h + 1) * size] for t in three]
                score = [sum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(size) for k in keys]
                out += slow.mix(score, values)
            mixed.append(slow.dot(w[name + "out"], out))
        rows = [[a + b for a, b in zip(x, m, strict=True)] for x, m in zip(rows, mixed, strict=True)]
        normed = [slow.layer_norm(x, w[name + "between.weight"], w[name + "between.bias"]) for x in rows]
        wide = [slow.relu(slow.dot(w[name + "wide"], x, w[name + "wide_bias"])) for x in normed]
        rows = [
            [a + b for a, b in zip(x, slow.dot(w[name + "narrow"], h), strict=True)]
            for x, h in zip(rows, wide, strict=True)
        ]
    return [slow.layer_norm(x, w["norm.weight"], w["norm.bias"]) for x in rows]


def test_encoder_and_target_attention_are_their_formulas():
    block, (vectors, there, age) = made(), sequences()
    w = slow.state(block)
    ad = ads(4)
    with torch.inference_mode():
        encoded = block.encode(vectors, there, age)
        summary = block.summary(encoded)
        attended = block.attend(encoded, ad)
    for user in range(4):
        some = there[user]
        if not some.any():
            assert not summary[user].any()
            assert not attended[user].any()
            continue
        rows = encoded_slowly(w, vectors[user][some], age[user][some])
        expected = [max(row[d] for row in rows) for d in range(CONFIG.width)] + rows[-1]
        assert summary[user].tolist() == pytest.approx(expected, abs=1e-4)
        query = slow.dot(w["query"], ad.flat[user].tolist())
        score = [sum(a * b for a, b in zip(query, x, strict=True)) / math.sqrt(CONFIG.width) for x in rows]
        values = [slow.dot(w["value"], x) for x in rows]
        assert attended[user].tolist() == pytest.approx(slow.mix(score, values), abs=1e-4)


@pytest.mark.parametrize("user", range(4))
def test_one_request_with_n_candidates_is_n_single_requests(user):
    block, (vectors, there, age) = made(), sequences()
    ad = ads(7)
    one = [part[user : user + 1] for part in (vectors, there, age)]
    with torch.inference_mode():
        together = block.attend(block.encode(*one), ad)
        apart = block.attend(block.encode(*(part.repeat_interleave(7, 0) for part in one)), ad)
    assert torch.allclose(together, apart, atol=1e-6)


def test_more_padding_changes_nothing():
    block, (vectors, there, age) = made(), sequences()
    ad = ads(4)
    longer = [
        torch.cat([torch.full_like(part, fill), part], 1)
        for part, fill in ((vectors, 9.0), (there, False), (age, 3.0))
    ]
    with torch.inference_mode():
        short, wide = block.encode(vectors, there, age), block.encode(*longer)
        assert torch.allclose(block.summary(short), block.summary(wide), atol=1e-6)
        assert torch.allclose(block.attend(short, ad), block.attend(wide, ad), atol=1e-6)


def test_users_with_several_candidates_are_encoded_once():
    """Outputs and gradients are those of a sequence a row."""
    (vectors, there, age), of_row = sequences(), torch.tensor([2, 0, 0, 3, 1, 1, 1])
    ad = ads(7)
    found = []
    for shared in (True, False):
        block, read = made(), vectors.clone().requires_grad_()
        if shared:
            attended = block.attend(block.encode(read, there, age), ad, of_row)
        else:
            attended = block.attend(block.encode(read[of_row], there[of_row], age[of_row]), ad)
        attended.square().sum().backward()
        found.append((attended.detach(), read.grad, block.action.grad, block.layers[0].into.grad))
    for once, each in zip(*found, strict=True):
        assert torch.allclose(once, each, atol=1e-4)


def test_equal_neighbours_are_one_sequence():
    ids = torch.tensor([1, 1, 2, 2, 2, 1]).reshape(6, 1, 1).expand(6, 3, 2)
    age = torch.tensor([0.0, 0.0, 0.0, 5.0, 5.0, 0.0]).reshape(6, 1).expand(6, 3)
    each, of_row = SequenceTensors(ids, age).distinct()
    assert of_row.tolist() == [0, 0, 1, 2, 2, 3]
    assert torch.equal(each.ids[of_row], ids)
    assert torch.equal(each.age[of_row], age)
    alone = SequenceTensors(ids[:1], age[:1])
    assert alone.distinct() == (alone, None)


def test_padding_in_front_of_all_rows_is_cut():
    ids = torch.zeros(2, 4, 2, dtype=torch.int64)
    ids[0, 2], ids[1, 3, 1] = 5, 7
    age = torch.arange(8.0).reshape(2, 4)
    found = SequenceTensors(ids, age).trimmed()
    assert torch.equal(found.ids, ids[:, 2:])
    assert torch.equal(found.age, age[:, 2:])
    nobody = SequenceTensors(torch.zeros_like(ids), age).trimmed()
    assert nobody.ids.shape == (2, 1, 2)
    assert nobody.age.shape == (2, 1)


def test_nobodys_actions_teach_nothing():
    """A batch of users without a history has gradients of 0, not NaN."""
    block, (vectors, _, age) = made(), sequences()
    none = torch.zeros(4, LENGTH, dtype=torch.bool)
    encoded = block.encode(vectors, none, age)
    (block.summary(encoded).sum() + block.attend(encoded, ads(4)).sum()).backward()
    for weight in block.parameters():
        assert weight.grad is None or (torch.isfinite(weight.grad).all() and not weight.grad.any())


def test_recency_and_order_of_time_matter():
    block, (vectors, there, age) = made(), sequences()
    with torch.inference_mode():
        summary = block.summary(block.encode(vectors[:1], there[:1], age[:1]))
        older = block.summary(block.encode(vectors[:1], there[:1], age[:1] / 2))
    assert np.abs((summary - older).numpy()).max() > 1e-3
