"""Late conversions in the market and in TalkingData's clicks: what the benchmark's rows rest on."""

import numpy as np
import pytest

from benchmarks import delay, delay_market, delay_talkingdata
from benchmarks.delay_market import WINDOW_S, Late


@pytest.fixture(scope="module")
def market():
    return Late.draw(3, 60_000)


def test_what_is_known_at_the_moment_holds_nothing_of_later(market):
    known, past = market.known, market.past
    time = known["time"].cast("int64").to_numpy()
    assert time.max() < market.moment
    came = known["conversion"].to_numpy() > 0
    delay = known["conversion_delay_s"].fill_null(0).to_numpy()
    assert (time / 1e6 + delay)[came].max() <= market.moment / 1e6
    assert 0.8 < came.sum() / past["conversion"].to_numpy().sum() < 0.97
    assert market.coming["time"].cast("int64").to_numpy().min() >= market.moment


def test_the_truth_has_no_excess(market):
    truth = market.coming["true_conversion_given_click"].to_numpy()
    assert delay_market.excess(truth, truth) == 0
    assert delay_market.excess(truth, 0.8 * truth) > 0


@pytest.mark.slow
def test_delayed_feedback_wins_back_most_of_what_naive_labels_cost():
    found = {name: (excess, pcoc) for name, excess, pcoc in delay_market.linear(Late.draw(1, 400_000))}
    gap = found["naive"][0] - found["oracle"][0]
    assert gap > 0.001
    assert found["naive"][1] < 0.92 * found["oracle"][1]  # a tenth of the conversions is still to come
    assert (found["naive"][0] - found["delayed_feedback"][0]) / gap > 0.5
    assert found["delayed_feedback"][1] == pytest.approx(found["oracle"][1], abs=0.03)


def test_shares_and_intervals_come_as_rows():
    found = {
        "naive": [(3.0, 0.8), (3.2, 0.8)], "oracle": [(1.0, 1.0), (1.2, 1.0)],
        "delayed_feedback": [(1.5, 0.9), (1.9, 0.9)],
    }  # fmt: skip
    rows = {row.name: row for row in delay._shares("m", found)}
    share = rows["market, m, delayed_feedback: share of the gap closed, 2 markets"]
    assert share.value == pytest.approx((1.5 + 1.3) / (2.0 + 2.0))
    assert share.holds
    low = rows["market, m, delayed_feedback: share of the gap closed, 95 % interval, low"].value
    assert low == pytest.approx(0.7 - 12.7062 * 0.05, rel=1e-4)


def test_the_interval_of_a_share_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        gap = rng.normal(1.0, 0.3, 8)
        share, half = delay.ratio(0.8 * gap + rng.normal(0, 0.2, 8), gap)
        held += abs(share - 0.8) <= half
    assert 0.92 < held / 400 < 0.98


@pytest.mark.skipif(not delay_talkingdata.SAMPLE.is_file(), reason="no TalkingData sample in ../shared/data")
def test_on_real_delays_naive_labels_promise_too_little_and_modelled_ones_as_much_as_the_oracle():
    clicks = delay_talkingdata.Installs.read()
    assert len(clicks.delay_s) == 100_000
    assert int((~np.isnan(clicks.delay_s)).sum()) == 227
    found = delay_talkingdata.level(clicks)
    assert np.isnan(found["oracle"][clicks.age_s < delay_talkingdata.WINDOW_S]).all()  # windows still open
    total = {name: np.nansum(said) for name, said in found.items()}
    assert total["naive"] < 0.85 * total["oracle"]
    for name in ("importance", "delayed_feedback"):
        assert total[name] == pytest.approx(total["oracle"], rel=0.06)
        assert delay._level_closed(found, name) > 0.7


def test_the_window_is_the_longest_delay_of_the_market(market):
    delay_s = market.table["conversion_delay_s"].drop_null().to_numpy()
    assert delay_s.max() <= WINDOW_S
