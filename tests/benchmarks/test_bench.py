"""Benchmarks print rows that a machine can read, and a bound is kept or it is not."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.row import Row

ROOT = Path(__file__).resolve().parents[2]
NAMED = (
    "ablation",
    "auction",
    "blend",
    "calibration",
    "decide",
    "delay",
    "first_stage",
    "growth",
    "ledger",
    "peers",
    "real",
    "replay",
    "retrieval",
    "runtime",
    "score",
    "serve",
    "train",
)
ADSRANK = [sys.executable, "-c", "from serving.cli import main; main()"]


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [("<= 8", 8.0, True), ("<= 8", 8.1, False), (">= 0.8", 0.79, False), ("== 0", 0, True), (None, 1, None)],
)
def test_a_bound_is_kept_or_not(bound, value, holds):
    assert Row("figure", value, "ms", bound).holds is holds


@pytest.mark.parametrize("name", NAMED)
def test_every_benchmark_has_rows(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").rows)


def test_an_unknown_benchmark_is_named_with_those_that_exist():
    done = subprocess.run([*ADSRANK, "bench", "nope"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "'nope' is no benchmark" in done.stderr
    assert all(name in done.stderr for name in NAMED)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_rows_come_as_json():
    done = subprocess.run(
        [*ADSRANK, "bench", "auction", "--json"], capture_output=True, text=True, cwd=ROOT, timeout=900
    )
    assert done.returncode == 0
    rows = json.loads(done.stdout)
    assert rows
    for row in rows:
        assert set(row) == {"name", "value", "unit", "to_reach", "holds"}
