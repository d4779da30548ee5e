"""The package works where nothing else of the project, and none of its heavy libraries, is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = (
    "adsrank", "auction", "serving", "torch", "ray", "pandas", "pyarrow", "xgboost", "numba", "faiss",
    "fastapi", "pydantic", "typer", "rich", "yaml", "sqlalchemy", "grpc",
)  # fmt: skip
MODULES = sorted(path.stem for path in (ROOT / "calibration").glob("*.py") if path.stem != "__init__")
LEARNERS = {"estimator", "score_column"}

SCRIPT = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {forbidden!r}:
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Blocked())
for module in {modules!r}:
    importlib.import_module("calibration." + module)
import numpy as np
from calibration import Chain, IsotonicCalibrator, SegmentCalibrator, from_json, metrics
rng = np.random.default_rng(0)
scores = rng.uniform(0.01, 0.3, 2000)
labels = rng.random(2000) < 0.5 * scores
ids = rng.choice(["a", "b"], 2000)
segment = {{"surface": ids}}
chain = Chain([IsotonicCalibrator(), SegmentCalibrator("surface")]).fit(scores, labels, segment=segment)
p = from_json(chain.to_json()).transform(scores, segment=segment)
assert abs(metrics.pcoc(p, labels) - 1.0) < 0.01
print("works")
"""


def run(modules: list[str], forbidden: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.format(modules=modules, forbidden=forbidden)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        ([name for name in MODULES if name not in LEARNERS], (*FORBIDDEN, "sklearn", "matplotlib")),
        (MODULES, FORBIDDEN),
    ],
    ids=["numpy and scipy", "and scikit-learn"],
)
def test_every_module_loads_and_works_alone(modules, forbidden):
    done = run(modules, forbidden)
    assert done.stdout == "works\n", done.stderr


def test_the_block_would_have_been_felt():
    done = run([], ("numpy",))
    assert "numpy is not installed here" in done.stderr
