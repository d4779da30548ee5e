from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.context import Context, of_visits
from adsrank.data.law import LAWS, Law
from adsrank.data.traffic import requests
from adsrank.data.truth import Chances, Truth
from adsrank.data.visit import describe, plan
from auction.errors import InputError

START = datetime(2026, 1, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def pairs(world, truth) -> tuple[Context, Context]:
    """Random pairs of visits and ads, and the fifty nearest ads of visits."""
    visits = plan(world, 77, START, 24 * 7, 600)
    wants = describe(world, visits)
    ads = truth.inventory
    rng = np.random.default_rng(0)
    visit = np.repeat(np.arange(600), 50)
    cosine = np.einsum("nkd,ad->nka", wants.intent, ads.vector).max(axis=1)
    near = np.argsort(-cosine, axis=1)[:, :50].ravel()
    anything = of_visits(world, ads, visits, wants, visit, rng.integers(len(ads.ad_id), size=len(visit)))
    return anything, of_visits(world, ads, visits, wants, visit, near)


def part(context: Context, **changed: Any) -> Context:
    names = [name for name in Context.__slots__ if name not in changed]
    return Context(**{name: getattr(context, name) for name in names}, **changed)


def test_base_rates_are_the_fields_usual_ones(truth, pairs) -> None:
    anything, matched = (truth.chances(context) for context in pairs)
    assert 0.017 < anything.click.mean() < 0.03
    assert 0.05 < matched.click.mean() < 0.08
    assert 0.01 < anything.save.mean() < 0.025
    assert matched.save.mean() > anything.save.mean()
    assert 0.003 < anything.hide.mean() < 0.008
    assert matched.hide.mean() < anything.hide.mean()
    bought = np.average(anything.conversion_given_click, weights=anything.click)
    assert 0.035 < bought < 0.065


def test_every_chance_is_a_probability(truth, pairs) -> None:
    for context in pairs:
        chances = truth.chances(context)
        for name in Chances.__slots__:
            value = getattr(chances, name)
            assert ((value > 0) & (value < 1)).all(), name


@pytest.mark.parametrize("law", [*LAWS.values(), Law(click_rate=0.05, matched_click_rate=0.12)])
def test_base_rates_hold_in_a_market_of_another_law(world, rows, law: Law) -> None:
    other = Truth(world, rows, 3, law)
    visits = plan(world, 8, START, 24, 800)
    wants = describe(world, visits)
    visit = np.repeat(np.arange(800), 25)
    ad = np.random.default_rng(1).integers(len(other.inventory.ad_id), size=len(visit))
    chances = other.chances(of_visits(world, other.inventory, visits, wants, visit, ad))
    assert chances.click.mean() == pytest.approx(law.click_rate, rel=0.2)
    assert chances.hide.mean() == pytest.approx(law.hide_rate, rel=0.2)
    bought = np.average(chances.conversion_given_click, weights=chances.click)
    assert bought == pytest.approx(law.conversion_rate, rel=0.2)


def test_a_nearer_ad_is_clicked_and_saved_more_and_hidden_less(truth, pairs) -> None:
    far = truth.chances(part(pairs[0], similarity=pairs[0].similarity * 0 + 0.1))
    near = truth.chances(part(pairs[0], similarity=pairs[0].similarity * 0 + 0.6))
    assert (near.click > far.click).mean() > 0.99
    assert (near.save > far.save).all()
    assert (near.hide < far.hide).all()


def test_recent_actions_device_hour_age_and_user_count(truth, pairs) -> None:
    context = pairs[0]
    base = truth.chances(context).click
    n = len(context)
    assert (truth.chances(part(context, recent_share=context.recent_share + 0.3)).click > base).all()
    warm, cold = (truth.chances(part(context, warmth=np.full(n, value))) for value in (0.5, -0.5))
    assert (warm.click > cold.click).all()
    assert (warm.hide < cold.hide).all()
    assert (truth.chances(part(context, ad_age_days=context.ad_age_days + 30)).click < base).all()
    evening = truth.chances(part(context, hour=np.full(n, 21, np.int32), utc_offset=np.zeros(n, np.int32)))
    morning = truth.chances(part(context, hour=np.full(n, 9, np.int32), utc_offset=np.zeros(n, np.int32)))
    assert (evening.click > morning.click).all()
    desktop = truth.chances(part(context, device=np.full(n, 1)))
    phone = truth.chances(part(context, device=np.full(n, 0)))
    video = truth.inventory.format[context.ad] == "video"
    ratio = phone.click / desktop.click
    assert ratio[video].mean() > ratio[~video].mean() * 1.1
    someone_else = truth.chances(part(context, user=(context.user + 1) % 800))
    assert (someone_else.click != base).mean() > 0.99


def test_some_of_it_no_model_can_know(truth, pairs) -> None:
    """Another request with the same columns has other chances."""
    context = pairs[0]
    again = truth.chances(part(context, request_key=context.request_key + np.uint64(1)))
    odds = np.log(again.click / truth.chances(context).click)
    assert 0.35 < odds.std() < 0.65
    assert abs(odds.mean()) < 0.02


def test_ads_and_advertisers_have_qualities_of_their_own(truth, world) -> None:
    visits = plan(world, 9, START, 24, 400)
    wants = describe(world, visits)
    ads = truth.inventory
    average = []
    for ad in range(0, 300, 3):
        rows = np.full(400, ad)
        chances = truth.chances(of_visits(world, ads, visits, wants, np.arange(400), rows))
        average.append(np.log(chances.click).mean())
    assert np.std(average) > 0.3


def test_the_chances_of_a_request_are_those_of_its_visit(world, truth) -> None:
    count = 60
    visits = plan(world, 5, START, 24, count)
    wants = describe(world, visits)
    ad = np.random.default_rng(2).integers(len(truth.inventory.ad_id), size=(count, 8))
    table = of_visits(world, truth.inventory, visits, wants, np.repeat(np.arange(count), 8), ad.ravel())
    chances = truth.chances(table)
    for k, request in enumerate(requests(world, 5, START, 24, count)):
        rows = slice(8 * k, 8 * k + 8)
        context = truth.context(request, truth.inventory.ad_id[ad[k]])
        for name in Context.__slots__:
            np.testing.assert_allclose(
                getattr(context, name), getattr(table, name)[rows], rtol=1e-6, atol=1e-6, err_msg=name
            )
        mine = truth.chances(context)
        for name in Chances.__slots__:
            np.testing.assert_allclose(getattr(mine, name), getattr(chances, name)[rows], rtol=1e-5)


def test_the_order_of_evaluation_does_not_matter(truth, pairs) -> None:
    context = pairs[0][:2000]
    order = np.random.default_rng(3).permutation(2000)
    whole, shuffled = truth.chances(context), truth.chances(context[order])
    for name in Chances.__slots__:
        np.testing.assert_allclose(getattr(shuffled, name), getattr(whole, name)[order], rtol=1e-12)


def test_an_unknown_user_has_chances_too(truth, world) -> None:
    request = next(requests(world, 5, START, 24, 1))
    stranger = request.model_copy(
        update={"user_id": "nobody", "device": "fridge", "country": "XX", "intents": []}
    )
    context = truth.context(stranger, truth.inventory.ad_id[:50])
    assert (context.user == -1).all()
    assert (context.similarity == 0).all()
    chances = truth.chances(context)
    assert ((chances.click > 0) & (chances.click < 0.5)).all()


def test_what_does_not_fit_the_market_is_refused(truth, world, rows) -> None:
    request = next(requests(world, 5, START, 24, 1))
    with pytest.raises(InputError, match="ad_id"):
        truth.context(request, [1])
    intent = request.intents[0].model_copy(update={"embedding": [1.0, 0.0]})
    with pytest.raises(InputError, match="embedding"):
        truth.context(request.model_copy(update={"intents": [intent]}), truth.inventory.ad_id[:1])
    for key, value, found in (("interests", [100], "100"), ("format", "hologram", "hologram")):
        wrong = ({**row, key: value} if row["kind"] == "ad" else row for row in rows)
        with pytest.raises(InputError, match=found):
            Truth(world, wrong, 1)
    short = ({**row, "embedding": [1.0, 0.0]} if row["kind"] == "ad" else row for row in rows)
    with pytest.raises(InputError, match="2 values"):
        Truth(world, short, 1)


@pytest.mark.slow
def test_base_rates_hold_for_many_seeds() -> None:
    for seed in range(8):
        world = generate(seed, users=500, pins=2000)
        truth = Truth(world, advertise(world, seed, advertisers=50, ads=600), seed)
        visits = plan(world, seed + 100, START, 24 * 7, 500)
        wants = describe(world, visits)
        visit = np.repeat(np.arange(500), 40)
        ad = np.random.default_rng(seed).integers(600, size=len(visit))
        chances = truth.chances(of_visits(world, truth.inventory, visits, wants, visit, ad))
        assert 0.017 < chances.click.mean() < 0.028, seed
        assert 0.0035 < chances.hide.mean() < 0.007, seed
