import numpy as np
import pytest

from calibration import CalibrationError, metrics
from calibration.ratio_plot import plot_ratios, plot_winners_curve


def winners(n=3_000):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.2, n)
    return scores, rng.random(n) < 0.7 * scores, rng.exponential(1.0, n)


@pytest.mark.parametrize(("name", "magic"), [("w.png", b"\x89PNG"), ("w.svg", b"<?xml")])
def test_the_same_winners_give_the_same_picture(tmp_path, name, magic):
    scores, labels, margin = winners()
    first = plot_winners_curve(scores, labels, margin, tmp_path / name, others={"mended": 0.7 * scores})
    before = first.read_bytes()
    again = plot_winners_curve(scores, labels, margin, tmp_path / name, others={"mended": 0.7 * scores})
    assert before.startswith(magic)
    assert again.read_bytes() == before
    assert plot_winners_curve(scores, labels, margin, tmp_path / name).read_bytes() != before


def test_ratios_before_and_after_stand_side_by_side_and_a_group_without_positives_is_left_blank(tmp_path):
    scores, labels, _ = winners()
    group = np.arange(len(scores)) % 3
    before = metrics.pcoc_by_group(scores, labels & (group != 2), group)
    after = metrics.pcoc_by_group(0.7 * scores, labels, group)
    assert before[2].pcoc is None
    found = plot_ratios({"before": before, "after": after}, tmp_path / "r.png", title="three groups")
    assert found.stat().st_size > 1000
    assert plot_ratios({"before": before[2:]}, tmp_path / "empty.png").stat().st_size > 1000


def test_what_cannot_be_drawn_is_refused(tmp_path):
    scores, labels, margin = winners(10)
    with pytest.raises(CalibrationError, match="png"):
        plot_winners_curve(scores, labels, margin, tmp_path / "w.pdf")
    with pytest.raises(CalibrationError, match="series"):
        plot_ratios({}, tmp_path / "r.png")
    with pytest.raises(CalibrationError, match="others"):
        plot_winners_curve(scores, labels, margin, tmp_path / "w.png", others=dict.fromkeys("abcd", scores))
