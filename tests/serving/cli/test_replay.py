"""`adsrank replay` as a person runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from auction.policy import AuctionPolicy, Exposure
from auction.simulation.sample import sample_slates
from serving.cli import app
from tests.auction.small_log import log_batch


@pytest.fixture
def log(tmp_path: Path) -> Path:
    policy = AuctionPolicy(
        exchange_rate=12_000.0, exposure=Exposure(examination=[0.95**s for s in range(16)])
    )
    batch = sample_slates(np.random.default_rng(0), 120, (2, 8), (4, 12))
    return log_batch(tmp_path / "log", batch, policy, users=20)


@pytest.mark.parametrize("words", [[], ["--policy", "other.yaml"]], ids=["unchanged", "another policy"])
def test_the_answer_is_the_same_on_any_number_of_cores(
    log: Path, tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.yaml").write_text("name: other\npricing: vcg\nrules: {max_ads: 2}\n")
    said = []
    for cores in (["--cores", "1"], ["--cores", "3"], []):
        result = CliRunner().invoke(app, ["replay", str(log), *words, *cores, "--json"])
        assert result.exit_code == 0, result.output
        said.append(json.loads(result.stdout))
    assert said[0] == said[1] == said[2]
    assert said[0]["decisions"] == 120


def test_no_cores_are_refused(log: Path) -> None:
    assert CliRunner().invoke(app, ["replay", str(log), "--cores", "0"]).exit_code == 2
