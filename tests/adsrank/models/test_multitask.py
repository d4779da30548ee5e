import numpy as np
import pytest
import torch

from adsrank.errors import InputError
from adsrank.features.batch import ActionSequence, FeatureBatch, Half
from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.config import ModelConfig
from adsrank.models.half import Inputs, tensors
from adsrank.models.heads import DEFAULT_HEADS, HEADS
from adsrank.models.multitask import MultiTask, Surfaces

RATES = {**dict.fromkeys(HEADS, 0.05), "order_value": 25e6}
SURFACES = Surfaces(column=0, base=10, words=4)

PLAIN = [{"products": True}, {"products": False}]
COMPOSED = [
    *PLAIN,
    {"mixture": "shared_bottom", "experts": 1},
    {"mixture": "ple", "experts": 2, "task_experts": 2, "levels": 2},
    {"interaction": {"kind": "fm"}},
    {"interaction": {"kind": "fm", "beside": True}},
    {"interaction": {"kind": "dcn", "layers": 2, "rank": 3}},
    {"interaction": {"kind": "dcn", "beside": True}},
    {"interaction": {"kind": "stack", "layers": 2, "vectors": 3}},
    {"summary": {"request": 2, "ad": 2}},
    {"surface_tower": 3},
    {"sequence": None},
    {"sequence": {"summary": True}},
    {
        "summary": {"request": 2},
        "interaction": {"kind": "stack", "vectors": 2, "rank": 2},
        "mixture": "ple",
        "surface_tower": 3,
        "uncertainty": True,
    },
]


def network(heads=DEFAULT_HEADS, seed=0, **size):
    config = ModelConfig.model_validate(
        {"embedding": 4, "experts": 3, "hidden": 8, "output": 6, "tower": 5, **size}
    )
    made = MultiTask(20, Inputs(2, 1, 2, ((6, 2),)), Inputs(3, 0, 4), heads, config, SURFACES)
    made.initialize(torch.Generator().manual_seed(seed), RATES, torch.tensor([0, 1]))
    if made.surface_towers is not None:  # zeros at first: nothing would be seen of them
        torch.nn.init.normal_(made.surface_towers.head_weight, generator=torch.Generator().manual_seed(9))
    return made


def batch(n, shared, actions=4):
    rng = np.random.default_rng(1)
    r = 1 if shared else n
    ids = rng.integers(1, 20, (r, 2))
    ids[:, 0] = rng.integers(9, 15, r)  # a surface, known or not
    steps = rng.integers(1, 20, (r, 6, 2))
    steps[:, : 6 - actions] = 0
    ages = np.where(steps.any(2), rng.uniform(0, 15, (r, 6)), 0).astype(np.float32)
    request = Half(
        ids, (rng.integers(0, 20, (r, 3)),), np.ones((r, 2), np.float32), (ActionSequence(steps, ages),)
    )
    return FeatureBatch(
        request, Half(rng.integers(1, 20, (n, 3)), (), rng.normal(size=(n, 4)).astype(np.float32))
    )


@pytest.mark.parametrize("size", COMPOSED)
def test_a_shared_request_half_scores_as_if_it_were_repeated(size):
    made, one = network(HEADS, **size), batch(7, shared=True)
    many = FeatureBatch(one.request.take(np.zeros(7, np.int64)), one.ad)
    assert made.outputs(one) == pytest.approx(made.outputs(many), abs=1e-5)


@pytest.mark.parametrize("size", COMPOSED)
def test_a_candidates_score_does_not_depend_on_the_others(size):
    made, whole = network(**size), batch(50, shared=True)
    scores = made.probabilities(whole)["click"]
    for row in (0, 17):
        alone = made.probabilities(whole.take(np.array([row])))["click"]
        assert alone[0] == pytest.approx(scores[row], rel=1e-5)
    chunked = made.probabilities(whole, chunk=7)["click"]
    assert chunked == pytest.approx(scores, rel=1e-5)


@pytest.mark.parametrize("size", COMPOSED)
def test_every_weight_is_learned(size):
    made, rows = network(HEADS, **size), batch(40, shared=False)
    made(tensors(rows.request), tensors(rows.ad)).square().sum().backward()
    idle = [
        name
        for name, weight in made.named_parameters()
        if name != "log_variance" and (weight.grad is None or not weight.grad.any())
    ]
    assert idle == []


@pytest.mark.parametrize("size", [*PLAIN, {"interaction": {"kind": "stack"}}, {"surface_tower": 3}])
def test_heads_start_at_their_base_rate(size):
    made, rows = network(HEADS, **size), batch(200, shared=False)
    if made.surface_towers is not None:
        torch.nn.init.zeros_(made.surface_towers.head_weight)
    scores = made.probabilities(rows)
    for head in DEFAULT_HEADS:
        assert scores[head].mean() == pytest.approx(0.05, rel=0.25)
    assert made.values(rows)["order_value"].mean() == pytest.approx(25e6, rel=0.25)


def test_an_amount_is_no_probability():
    made, rows = network(HEADS), batch(5, shared=True)
    assert set(made.probabilities(rows)) == set(HEADS) - {"order_value"}
    assert set(made.values(rows)) == {"order_value"}
    outputs = made.outputs(rows)
    assert made.values(rows)["order_value"] == pytest.approx(np.exp(outputs[:, 5]))
    assert made.probabilities(rows)["hide"] == pytest.approx(1 / (1 + np.exp(-outputs[:, 3])))


def test_no_candidates_give_no_scores():
    scores = network().probabilities(batch(4, shared=True).take(np.zeros(0, np.int64)))
    assert all(score.shape == (0,) and score.dtype == np.float64 for score in scores.values())


def test_padding_never_counts_in_a_list():
    made, plain = network(), batch(3, shared=True)
    asked = plain.request
    padded = np.concatenate([asked.lists[0], np.zeros((1, 5), np.int64)], axis=1)
    longer = FeatureBatch(Half(asked.ids, (padded,), asked.numbers, asked.sequences), plain.ad)
    assert np.array_equal(made.probabilities(longer)["click"], made.probabilities(plain)["click"])
    assert not made.embedding.weight[0].any()


def test_without_actions_the_sequence_adds_nothing():
    made, none = network(), batch(5, shared=True, actions=0)
    before = made.outputs(none)
    with torch.no_grad():
        for weight in made.sequences.parameters():
            weight.add_(1.0)
    assert np.array_equal(made.outputs(none), before)
    some = batch(5, shared=True, actions=2)
    assert not np.allclose(made.outputs(some), before)


def test_candidates_find_different_things_in_the_same_actions():
    made, rows = network(products=False), batch(2, shared=True)
    other = ActionSequence(rows.request.sequences[0].ids[:, :, ::-1].copy(), rows.request.sequences[0].age)
    asked = rows.request
    changed = FeatureBatch(Half(asked.ids, asked.lists, asked.numbers, (other,)), rows.ad)
    moved = made.outputs(changed) - made.outputs(rows)
    assert not np.allclose(moved[0], moved[1], atol=1e-6)


def test_an_unknown_surface_falls_back_to_the_shared_towers():
    with_towers, rows = network(surface_tower=3), batch(6, shared=True)
    shared = with_towers.outputs(surface(rows, 10))
    assert not np.allclose(with_towers.outputs(surface(rows, 11)), with_towers.outputs(surface(rows, 12)))
    torch.nn.init.zeros_(with_towers.surface_towers.head_weight)
    assert np.array_equal(with_towers.outputs(surface(rows, 10)), shared)


def surface(rows, id_):
    """The rows, asked for on the surface of that id, whose embedding is like any other's."""
    asked, ids = rows.request, rows.request.ids.copy()
    ids[:, 0] = id_
    return FeatureBatch(Half(ids, asked.lists, asked.numbers, asked.sequences), rows.ad)


def test_a_surface_that_is_given_is_read_in_place_of_the_ids():
    made, rows = network(surface_tower=3), batch(6, shared=False)
    asked, offered = tensors(rows.request), tensors(rows.ad)
    found = made.surface(asked)
    assert found.tolist() == np.maximum(rows.request.ids[:, 0] - 10, 0).tolist()
    told = asked._replace(surface=found)
    assert torch.equal(made(told, offered), made(asked, offered))
    assert torch.equal(told.take(torch.tensor([3, 1])).surface, found[[3, 1]])


def test_the_machine_beside_a_deep_part_is_deepfm():
    """logit = deep + sum_i w_i + sum_{i<j} v_i . v_j."""
    size = {"mixture": "shared_bottom", "experts": 1, "products": False, "sequence": None}
    made, rows = (
        network(("click",), **size, interaction={"kind": "fm", "beside": True}),
        batch(5, shared=True),
    )
    found = made.outputs(rows)[:, 0]
    weights = made.embedding.weight.detach().double().numpy()
    vectors, own = weights[:, :4], weights[:, 4]
    listed = rows.request.lists[0][0]
    listed = listed[listed > 0]
    asked = [*vectors[rows.request.ids[0]], vectors[listed].mean(0)]
    first = own[rows.request.ids[0]].sum() + own[listed].mean()
    for row in range(5):
        fields = [*asked, *vectors[rows.ad.ids[row]]]
        wide = first + own[rows.ad.ids[row]].sum()
        wide += sum(fields[i] @ fields[j] for i in range(len(fields)) for j in range(i))
        fields_and_numbers = np.concatenate([*fields[:3], rows.request.numbers[0]])
        deep = deep_part(made, fields_and_numbers, np.concatenate([*fields[3:], rows.ad.numbers[row]]))
        assert found[row] == pytest.approx(wide + deep, abs=1e-5)


def deep_part(made, request, ad):
    w = {name: value.double().numpy() for name, value in made.state_dict().items()}
    x = request @ w["experts.first.request_weight"] + ad @ w["experts.first.ad_weight"]
    hidden = np.maximum(x + w["experts.first.bias"], 0)
    z = np.maximum(hidden @ w["experts.second_weight"][0] + w["experts.second_bias"][0, 0], 0)
    tower = np.maximum(z @ w["towers.weight"][0] + w["towers.hidden_bias"][0, 0], 0)
    return float(tower @ w["towers.head_weight"][0, 0] + w["towers.head_bias"][0])


def test_a_seed_fixes_every_weight():
    size = COMPOSED[-1]
    one, same, other = (network(seed=seed, **size).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["embedding.weight"], other["embedding.weight"])


def test_a_network_for_a_transform_reads_what_it_makes(few_rows):
    spec = FeatureSpec.default()
    transform = CompiledTransform.fit(few_rows, spec)
    made = MultiTask.of(transform, DEFAULT_HEADS, ModelConfig(surface_tower=4))
    made.initialize(torch.Generator().manual_seed(0), RATES, torch.from_numpy(transform.silent_))
    rows = transform.apply(few_rows.slice(0, 64))
    words = few_rows["surface"].slice(0, 64).to_pylist()
    found = made.surface(tensors(rows.request))
    assert [transform.surfaces_[at - 1] for at in found.tolist()] == words
    assert made.outputs(rows).shape == (64, 4)


def test_towers_by_surface_need_a_surface():
    config = ModelConfig(surface_tower=4)
    for known in (None, Surfaces(0, 10, 0)):
        with pytest.raises(InputError, match="surface_tower"):
            MultiTask(20, Inputs(2, 0, 0), Inputs(3, 0, 0), ("click",), config, known)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"mixture": "shared_bottom"}, "give experts: 1"),
        ({"task_experts": 2}, "belong to ple"),
        ({"levels": 2}, "belong to ple"),
        ({"sequence": {"width": 30, "heads": 4}}, "multiple of heads"),
        ({"interaction": {"kind": "cin"}}, "none"),
        ({"interactions": {"kind": "fm"}}, "did you mean 'interaction'"),
        ({"embedding": 0}, "greater than or equal to 1"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(size, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig.model_validate(size)
