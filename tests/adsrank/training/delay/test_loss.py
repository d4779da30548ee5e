from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adsrank.training.delay import (
    DelayCurve,
    Feedback,
    LateRule,
    WeibullDelay,
    delayed_feedback_loss,
    late_loss,
)
from adsrank.training.delay.loss import delayed_feedback_terms, late_terms
from adsrank.training.delay.targets import LEAST_COMPLETE

DAY = 86_400.0
LATE = ("mature_only", "naive", "importance", "delayed_feedback")


def columns(known, late):
    return LateRule.fit(known, late).targets(known)


@pytest.mark.parametrize("late", LATE)
def test_torch_and_numpy_agree_and_the_slope_is_the_slope(law, late):
    _, _, known, _ = law.known(500, 1)
    targets, z = columns(known, late), np.random.default_rng(0).normal(0, 3, 500)
    loss, slope = late_terms(z, targets)
    logit = torch.tensor(z, requires_grad=True)
    found = late_loss(logit, *(torch.from_numpy(column) for column in targets))
    found.sum().backward()
    assert found.detach().numpy() == pytest.approx(loss, rel=1e-10, abs=1e-12)
    assert logit.grad.numpy() == pytest.approx(slope, rel=1e-9, abs=1e-12)
    step = 1e-5
    numeric = (late_terms(z + step, targets)[0] - late_terms(z - step, targets)[0]) / (2 * step)
    assert slope == pytest.approx(numeric, rel=1e-5, abs=1e-7)


def test_the_joint_likelihood_agrees_with_its_reference_and_its_gradients_with_differences(law):
    _, _, known, _ = law.known(400, 2)
    rng = np.random.default_rng(1)
    z, rate, bend = rng.normal(-1, 1, 400), rng.normal(law.log_rate, 0.5, 400), np.log(0.7)

    def value(z, rate, bend):
        return delayed_feedback_terms(z, WeibullDelay(rate, bend, known.window_s), known)

    inputs = [torch.tensor(part, requires_grad=True) for part in (z, rate, bend)]
    seen = [torch.from_numpy(c) for c in (known.conversion, known.delay_s, known.elapsed_s)]
    found = delayed_feedback_loss(*inputs, *seen, known.window_s)
    found.sum().backward()
    assert found.detach().numpy() == pytest.approx(value(z, rate, bend), rel=1e-9)
    h = 1e-6
    by_z = (value(z + h, rate, bend) - value(z - h, rate, bend)) / (2 * h)
    by_rate = (value(z, rate + h, bend) - value(z, rate - h, bend)) / (2 * h)
    by_bend = (value(z, rate, bend + h).sum() - value(z, rate, bend - h).sum()) / (2 * h)
    for part, numeric in zip(inputs, (by_z, by_rate, by_bend), strict=True):
        assert part.grad.numpy() == pytest.approx(numeric, rel=1e-4, abs=1e-6)


def test_importance_weights_are_unbiased(law):
    """Over 200 logs the mean loss and slope, at any logit, are those of the labels one would wait for."""
    z = np.array([-3.0, -1.0, 1.0])
    seen, waited, naive = [], [], []
    for seed in range(200):
        _, _, known, full = law.known(500, 100 + seed)
        exact = WeibullDelay(law.log_rate, float(np.log(law.shape)), law.window_s)
        old = exact.complete(known.elapsed_s) >= LEAST_COMPLETE
        for found, feedback, late in (
            (seen, known, "importance"), (waited, full, "naive"), (naive, known, "naive")
        ):  # fmt: skip
            targets = LateRule(late, law.window_s, exact if late == "importance" else None).targets(feedback)
            rows = [
                [part[old].mean() for part in late_terms(np.full(500, one), targets)] for one in z
            ]  # fmt: skip
            found.append(rows)
    seen, waited, naive = (np.array(one) for one in (seen, waited, naive))
    error = (seen - waited).std(0) / np.sqrt(len(seen))
    assert np.abs((seen - waited).mean(0) / error).max() < 4
    assert np.abs((naive - waited).mean(0) / error).min() > 8  # the same test sees the naive bias


def test_a_share_of_one_is_plain_cross_entropy_and_no_logit_is_too_large(law):
    z = torch.tensor([-80.0, -5.0, 0.0, 5.0, 80.0], dtype=torch.float64)
    one, label = torch.ones(5, dtype=torch.float64), torch.tensor([0.0, 1, 0, 1, 0], dtype=torch.float64)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(z, label, reduction="none")
    assert late_loss(z, one, label, one).numpy() == pytest.approx(plain.numpy(), rel=1e-12)
    for share in (0.0, 0.3, 1.0):
        logit = torch.tensor([-90.0, 90.0], requires_grad=True)
        loss = late_loss(logit, torch.ones(2), torch.zeros(2), torch.full((2,), share))
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(logit.grad).all()


def test_what_each_way_makes_of_old_and_young_clicks():
    known = Feedback.observe(np.array([50.0, np.nan, 50.0, np.nan]), np.array([99.0, 99.0, 60.0, 1.0]), 90.0)
    share = np.array([1.0, 1.0, 0.5, 0.01])
    law = SimpleNamespace(complete=lambda elapsed_s: share)
    assert columns(known, "mature_only").weight.tolist() == [1, 1, 0, 0]
    assert columns(known, "naive").target.tolist() == [1, 0, 1, 0]
    weighted = LateRule("importance", 90.0, law).targets(known)
    assert weighted.target.tolist() == [1, 0, 2, 0]
    assert weighted.weight.tolist() == [1, 1, 1, 0]
    assert LateRule("delayed_feedback", 90.0, law).targets(known).share.tolist() == share.tolist()


def test_a_perfect_curve_needs_no_law(law):
    _, _, _, full = law.known(300, 5)
    for late in LATE:
        assert DelayCurve.fit(full).complete(full.elapsed_s).min() == 1.0
        assert columns(full, late).target == pytest.approx(full.conversion)
