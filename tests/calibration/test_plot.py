import numpy as np
import pytest
from matplotlib.axes import Axes

from calibration import CalibrationError
from calibration.plot import plot_reliability


def rare(n: int = 4_000):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.001, 0.05, n)
    return scores, rng.random(n) < scores


@pytest.mark.parametrize(("name", "magic"), [("r.png", b"\x89PNG"), ("r.svg", b"<?xml")])
def test_the_same_data_give_the_same_picture(tmp_path, name, magic):
    first = plot_reliability(*rare(), tmp_path / name, title="clicks")
    (tmp_path / "again").mkdir()
    second = plot_reliability(*rare(), str(tmp_path / "again" / name), title="clicks")
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


def test_a_weight_of_every_row_makes_no_interval_narrower(tmp_path, monkeypatch):
    """Rows that weigh a hundred each were drawn as a hundred rows each."""
    drawn = []
    monkeypatch.setattr(Axes, "errorbar", lambda self, x, y, yerr, **_: drawn.append(yerr))
    scores, labels = rare()
    for weight in (np.ones(4_000), np.full(4_000, 100.0)):
        plot_reliability(scores, labels, tmp_path / "r.png", weight)
    assert drawn[0].min() > 0.0
    assert drawn[1] == pytest.approx(drawn[0], rel=1e-9)


def test_bins_without_positives_and_large_scores_can_be_drawn(tmp_path):
    assert plot_reliability([0.1, 0.9, 0.9, 0.2], [0, 1, 1, 0], tmp_path / "r.png").stat().st_size > 1000
    assert plot_reliability([0.01] * 9, [0] * 9, tmp_path / "s.png").stat().st_size > 1000


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match="png"):
        plot_reliability([0.1], [1], tmp_path / "r.exe")
