import numpy as np
import pytest
import torch

from adsrank.features.batch import ActionSequence, Half
from adsrank.models.half import tensors
from adsrank.training import touched
from adsrank.training.touched import Touched


def halves(rng: np.random.Generator, rows: int):
    sequence = ActionSequence(rng.integers(0, rows, (7, 4, 2)), np.zeros((7, 4), np.float32))
    request = Half(
        rng.integers(1, rows, (7, 3)),
        (rng.integers(0, rows, (7, 5)),),
        np.ones((7, 2), np.float32),
        (sequence,),
    )
    ad = Half(rng.integers(1, rows, (7, 2)), (), np.ones((7, 0), np.float32))
    return tensors(request), tensors(ad)


@pytest.mark.parametrize("mark_up_to", [0, 10**9])
def test_numbers_in_the_small_table_name_the_rows_of_the_large_one(monkeypatch, mark_up_to):
    """Whether found by sorting or by marking."""
    monkeypatch.setattr(touched, "MARK_UP_TO", mark_up_to)
    rows = 50
    table = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    finder = Touched(rows)
    for seed in range(3):  # marks of one batch do not stay for the next
        wide = halves(np.random.default_rng(seed), rows)
        met, narrow = finder.of(wide)
        assert met[0] == 0
        assert torch.equal(met, met.unique())
        for before, after in zip(wide, narrow, strict=True):
            pairs = [
                (before.ids, after.ids),
                *zip(before.lists, after.lists, strict=True),
                *((a.ids, b.ids) for a, b in zip(before.sequences, after.sequences, strict=True)),
            ]
            for old, new in pairs:
                assert torch.equal(table[met][new], table[old])
                assert torch.equal(new == 0, old == 0)
            assert after.numbers is before.numbers
        seen = {int(row) for half in wide for part in (half.ids, *half.lists) for row in part.unique()}
        seen |= {int(row) for half in wide for part in half.sequences for row in part.ids.unique()}
        assert set(met.tolist()) == seen | {0}
