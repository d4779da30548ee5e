import numpy as np
import pytest
import torch

from adsrank.features.batch import FeatureBatch, Half
from adsrank.models.config import ModelConfig
from adsrank.models.half import Inputs
from adsrank.models.heads import DEFAULT_HEADS as HEADS
from adsrank.models.multitask import MultiTask


def network(products=True, heads=HEADS, seed=0):
    size = ModelConfig(embedding=4, experts=3, hidden=8, output=6, tower=5, products=products)
    made = MultiTask(20, Inputs(2, 1, 2), Inputs(3, 0, 4), heads, size)
    made.initialize(torch.Generator().manual_seed(seed), dict.fromkeys(heads, 0.05), torch.tensor([0, 1]))
    return made


def batch(n, shared):
    rng = np.random.default_rng(1)
    r = 1 if shared else n
    request = Half(rng.integers(1, 20, (r, 2)), (rng.integers(0, 20, (r, 3)),), np.ones((r, 2), np.float32))
    return FeatureBatch(
        request, Half(rng.integers(1, 20, (n, 3)), (), rng.normal(size=(n, 4)).astype(np.float32))
    )


@pytest.mark.parametrize("products", [True, False])
def test_a_shared_request_half_scores_as_if_it_were_repeated(products):
    made, one = network(products), batch(7, shared=True)
    many = FeatureBatch(one.request.take(np.zeros(7, np.int64)), one.ad)
    short, wide = made.probabilities(one), made.probabilities(many)
    for head in HEADS:
        assert short[head] == pytest.approx(wide[head], rel=1e-5)


def test_a_candidates_score_does_not_depend_on_the_others():
    made, whole = network(), batch(50, shared=True)
    scores = made.probabilities(whole)["click"]
    alone = made.probabilities(whole.take(np.array([17])))["click"]
    assert alone[0] == pytest.approx(scores[17], rel=1e-5)
    chunked = made.probabilities(whole, chunk=7)["click"]
    assert chunked == pytest.approx(scores, rel=1e-5)


def test_heads_start_at_their_base_rate():
    scores = network().probabilities(batch(200, shared=False))
    for head in HEADS:
        assert scores[head].mean() == pytest.approx(0.05, rel=0.25)


def test_no_candidates_give_no_scores():
    scores = network().probabilities(batch(4, shared=True).take(np.zeros(0, np.int64)))
    assert all(score.shape == (0,) and score.dtype == np.float64 for score in scores.values())


def test_padding_never_counts_in_a_list():
    made, plain = network(), batch(3, shared=True)
    padded = np.concatenate([plain.request.lists[0], np.zeros((1, 5), np.int64)], axis=1)
    longer = FeatureBatch(Half(plain.request.ids, (padded,), plain.request.numbers), plain.ad)
    assert np.array_equal(made.probabilities(longer)["click"], made.probabilities(plain)["click"])
    assert not made.embedding.weight[0].any()


def test_a_seed_fixes_every_weight():
    one, same, other = (network(seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["embedding.weight"], other["embedding.weight"])
