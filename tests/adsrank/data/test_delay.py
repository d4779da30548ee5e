from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from adsrank.data.context import of_visits
from adsrank.data.delay import DelayLaw
from adsrank.data.history import TRUE_CHANCES, history
from adsrank.data.law import LAWS
from adsrank.data.reaction import react
from adsrank.data.truth import Truth
from adsrank.data.visit import describe, plan
from adsrank.features.examples import SCHEMA

DAY = 86_400.0
N = 40_000


def draws(law, seed=0, advertiser=0.0, basket=0.0):
    rng = np.random.default_rng(seed)
    return law.draw(rng.random(N), rng.random(N), np.full(N, advertiser), np.full(N, basket))


def test_a_delay_is_positive_and_never_past_the_longest():
    for law in (DelayLaw(), LAWS["considered"].delay):
        delay = draws(law)
        assert delay.min() > 0
        assert delay.max() <= law.longest_s


def test_nothing_leans_unless_the_law_says_so():
    plain, leaning = DelayLaw(), replace(DelayLaw(), advertiser_sd=1.0, basket_effect=0.8)
    assert np.array_equal(draws(plain), draws(plain, advertiser=2.0, basket=1.0))
    assert draws(leaning).mean() == pytest.approx(draws(plain).mean())
    assert draws(leaning, advertiser=1.5).mean() < 0.8 * draws(leaning).mean()
    assert draws(leaning, basket=1.0).mean() > 1.2 * draws(leaning).mean()


def test_in_the_considered_market_advertisers_and_dear_baskets_differ_in_delay(world, rows):
    truth = Truth(world, rows, 11, LAWS["considered"])
    plain = Truth(world, rows, 11)
    n = 20_000
    ad = np.arange(n) % len(truth.inventory.ad_id)
    visits = plan(world, 3, datetime.fromtimestamp(world.epoch, UTC), 24, n)
    context = of_visits(world, truth.inventory, visits, describe(world, visits), np.arange(n), ad)
    late, early = (react(one, context, np.ones(n, int), np.zeros(n, int)) for one in (truth, plain))
    # Who converts, and for how much, is as in the plain market.
    for name in ("click", "conversion", "value_micros"):
        assert np.array_equal(getattr(late, name), getattr(early, name))
    assert late.delay_s.mean() > 2 * early.delay_s.mean()
    seller = truth.inventory.advertiser_id[ad]
    means = np.array([late.delay_s[seller == one].mean() for one in np.unique(seller)])
    assert means.std() > 0.25 * means.mean()
    dear = late.value_micros > np.median(late.value_micros)
    assert late.delay_s[dear].mean() > 1.15 * late.delay_s[~dear].mean()


def test_the_truth_comes_along_only_where_it_is_asked_for(truth, end):
    plain = history(truth, 4, end, days=2, impressions=700)
    judged = history(truth, 4, end, days=2, impressions=700, with_truth=True)
    assert judged.select(SCHEMA.names).equals(plain)
    for field in TRUE_CHANCES:
        assert field.name not in plain.column_names
        chance = judged[field.name].to_numpy()
        assert ((chance > 0) & (chance < 1)).all()
