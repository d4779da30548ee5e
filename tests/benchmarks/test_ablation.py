"""What a block is worth is asked of real bundles and real decisions, here of a small market."""

import numpy as np
import pytest
import torch

from auction.warm import warm
from benchmarks import ablation


@pytest.mark.slow
def test_every_variant_trains_decides_and_earns(monkeypatch):
    warm()
    monkeypatch.setattr(ablation, "IMPRESSIONS", 20_000)
    monkeypatch.setattr(ablation, "REQUESTS", 10)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        earned = {each.name: ablation.earn(each, 7) for each in ablation.VARIANTS}
    finally:
        torch.set_num_threads(threads)
        ablation.market.cache_clear()
    whole = earned[ablation.WHOLE.name]
    assert whole.revenue.sum() > 0
    for name, found in earned.items():
        assert found.expected.shape == (10,)
        assert (found.expected > 0).any(), name
    others = [found for name, found in earned.items() if name != ablation.WHOLE.name]
    assert all(not np.array_equal(found.predicted, whole.predicted) for found in others), (
        "a block that is nothing"
    )
