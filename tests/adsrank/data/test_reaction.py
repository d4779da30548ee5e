from datetime import UTC, datetime

import numpy as np
import pytest

from adsrank.data.context import Context, of_visits
from adsrank.data.reaction import react
from adsrank.data.visit import describe, plan

START = datetime(2026, 1, 20, tzinfo=UTC)
SHOWN = 120_000


@pytest.fixture(scope="module")
def context(world, truth) -> Context:
    """Near ads, so that there are events to count."""
    visits = plan(world, 21, START, 24 * 7, SHOWN // 60)
    wants = describe(world, visits)
    cosine = wants.intent[:, 0] @ truth.inventory.vector.T
    near = np.argsort(-cosine, axis=1)[:, :60].ravel()
    return of_visits(world, truth.inventory, visits, wants, np.repeat(np.arange(len(visits)), 60), near)


def z_score(events: np.ndarray, chance: np.ndarray) -> float:
    return float((events.sum() - chance.sum()) / np.sqrt((chance * (1 - chance)).sum()))


def test_labels_have_the_means_of_the_truth(truth, context) -> None:
    rng = np.random.default_rng(0)
    position, gap = rng.integers(1, 40, SHOWN), rng.integers(0, 8, SHOWN)
    drawn, chances = react(truth, context, position, gap), truth.chances(context)
    exposure = truth.law.exposure.of(position, gap)
    assert abs(z_score(drawn.seen, exposure)) < 4
    assert abs(z_score(drawn.click, exposure * chances.click)) < 4
    assert abs(z_score(drawn.save, exposure * chances.save)) < 4
    assert abs(z_score(drawn.hide, exposure * chances.hide)) < 4
    # Given the clicks that happened, conversions follow their own chance.
    given = chances.conversion_given_click[drawn.click]
    assert abs(z_score(drawn.conversion[drawn.click], given)) < 4
    # And these counts could tell: without the exposure the same labels are far off.
    assert z_score(drawn.click, chances.click) < -20


def test_nothing_happens_to_an_ad_that_is_not_seen(truth, context) -> None:
    drawn = react(truth, context, np.full(SHOWN, 30), np.full(SHOWN, 1))
    hidden = ~drawn.seen
    assert hidden.mean() > 0.6
    assert not (drawn.click | drawn.save | drawn.hide | drawn.conversion)[hidden].any()
    assert not drawn.conversion[~drawn.click].any()
    beyond = react(truth, context, np.full(SHOWN, 65), np.full(SHOWN, 0))
    assert not beyond.seen.any()


def test_a_draw_does_not_depend_on_the_other_ads_shown(truth, context) -> None:
    position, gap = np.full(SHOWN, 4), np.full(SHOWN, 6)
    whole = react(truth, context, position, gap)
    order = np.random.default_rng(1).permutation(SHOWN)[:5000]
    some = react(truth, context[order], position[order], gap[order])
    for name in ("seen", "click", "save", "hide", "conversion", "value_micros"):
        assert np.array_equal(getattr(some, name), getattr(whole, name)[order]), name


def test_a_better_slot_never_loses_an_event(truth, context) -> None:
    low = react(truth, context, np.full(SHOWN, 20), np.full(SHOWN, 2))
    high = react(truth, context, np.full(SHOWN, 3), np.full(SHOWN, 6))
    for name in ("seen", "click", "save", "hide", "conversion"):
        worse, better = getattr(low, name), getattr(high, name)
        assert (better | ~worse).all(), name
        assert better.sum() > worse.sum(), name


def test_delays_run_from_minutes_to_three_days(truth, context) -> None:
    delay = react(truth, context, np.ones(SHOWN, int), np.zeros(SHOWN, int)).delay_s
    assert delay.min() > 0
    assert delay.max() <= truth.law.delay.longest_s == 3 * 86_400
    assert 0.30 < (delay < 3600).mean() < 0.40  # .55 (1 - exp(-1/1.2)) + .45 (1 - exp(-1/20)) / .973
    assert 0.10 < (delay > 86_400).mean() < 0.16  # .45 (exp(-24/20) - exp(-72/20)) / .973
    assert delay[:1000].tolist() != delay[1000:2000].tolist()


def test_order_values_are_whole_cents_around_the_advertisers_basket(truth, context) -> None:
    drawn = react(truth, context, np.ones(SHOWN, int), np.zeros(SHOWN, int))
    assert drawn.value_micros.dtype == np.int64
    assert (drawn.value_micros % 10_000 == 0).all()
    assert (drawn.value_micros > 0).all()
    advertiser = truth.inventory.advertiser_id[context.ad]
    logs = np.log(drawn.value_micros / 1e6)
    baskets = [logs[advertiser == number].mean() for number in np.unique(advertiser)]
    assert 0.3 < np.std(baskets) < 0.8
    assert 25 < np.exp(logs.mean()) < 80


def test_an_action_comes_after_the_ad_is_seen(truth, context) -> None:
    drawn = react(truth, context, np.arange(SHOWN) % 60 + 1, np.zeros(SHOWN, int))
    assert (drawn.acted_after_s > drawn.seen_after_s).all()
    assert (drawn.seen_after_s > 0).all()
