"""The growth chart: what is fitted is what was measured, and the picture is small."""

import numpy as np
import pytest

from auction.auction import hold_auction
from auction.policy import Pricing
from benchmarks import growth
from benchmarks.auction import draw_feed


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5])
def test_the_exponent_of_a_power_is_found(exponent: float) -> None:
    levels = (10, 20, 50, 100)
    curve = growth.Curve("ads", "layout alone", levels, tuple(0.3 * n**exponent for n in levels))
    assert curve.exponent == pytest.approx(exponent, abs=1e-9)


def test_labels_keep_their_order_and_do_not_touch() -> None:
    times = [5.0, 1.0, 5.1, 30.0]
    heights = growth._label_heights(times)
    assert np.argsort(heights).tolist() == np.argsort(times).tolist()
    gaps = np.diff(np.log10(np.sort(heights)))
    assert gaps.min() >= growth.LABEL_HEIGHT - 1e-9
    assert heights[1] == pytest.approx(1.0)
    assert heights[3] == pytest.approx(30.0)


def test_every_slot_is_filled_where_growth_is_measured() -> None:
    slate = draw_feed(np.random.default_rng(1), 200, 50)
    for slots in growth.LEVELS["slots"]:
        policy = growth.policy_of(slots, Pricing.SECOND_PRICE)
        assert int((hold_auction(slate, policy).position > 0).sum()) == slots


def test_a_picture_of_every_curve_stays_small(tmp_path) -> None:
    curves = [
        growth.Curve(size, rule, levels, tuple(0.2 + n / 100 for n in levels))
        for size, levels in growth.LEVELS.items()
        for rule in growth.RULES
    ]
    growth.draw(curves, tmp_path / "images" / "growth.png")
    written = (tmp_path / "images" / "growth.png").read_bytes()
    assert written.startswith(b"\x89PNG")
    assert 20_000 < len(written) < 150_000
    rows = list(growth.rows_of(curves))
    assert len(rows) == sum(len(levels) + 1 for levels in growth.LEVELS.values()) * len(growth.RULES)
    assert all(row.to_reach is None for row in rows)
