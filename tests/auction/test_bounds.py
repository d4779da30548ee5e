"""No kernel reads or writes past an array: compiled code does not look, unless it is told to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import numpy as np
from auction.auction import _hold
from auction.batch import SlateBatch
from auction.policy import Pricing
from tests.auction.small_markets import crowded, draw_policy, draw_slate, with_holds, with_more_rules
for seed in range(900):
    rng = np.random.default_rng(seed)
    slate, policy = draw_slate(rng, ads=7, alike=seed % 5 == 0), draw_policy(rng, list(Pricing)[seed % 3])
    if seed % 2:
        slate, policy = with_holds(rng, slate), with_more_rules(rng, policy)
    if seed % 3:
        slate, policy = crowded(rng, slate, policy)
    _hold(SlateBatch.of([slate]), policy, branches=24 * (seed % 4 > 0))
print("within bounds")
"""


@pytest.mark.slow
def test_no_index_is_out_of_bounds(tmp_path: Path) -> None:
    checked = os.environ | {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=checked, capture_output=True, text=True, timeout=900, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "within bounds" in done.stdout
