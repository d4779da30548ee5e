"""`adsrank tune blend` as a person runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from auction.errors import InputError
from auction.policy import AuctionPolicy, Exposure
from auction.simulation.sample import sample_slates
from serving.cli import app
from tests.auction.small_log import log_batch

runner = CliRunner()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    policy = AuctionPolicy(
        exchange_rate=12_000.0, exposure=Exposure(examination=[0.95**s for s in range(16)])
    )
    batch = sample_slates(np.random.default_rng(0), 120, (2, 8), (4, 12))
    return log_batch(tmp_path / "log", batch, policy, users=20)


def test_every_policy_written_is_one_that_replay_takes(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = [
        "tune",
        "blend",
        str(log),
        "--max-organic-loss",
        "0.03",
        "--out",
        str(out),
        "--min-gap",
        "2",
        "--json",
    ]
    result = runner.invoke(app, asked)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((out / "frontier.json").read_text()) | {"files": found["files"]}
    by_name = {one["name"]: one for one in found["points"]}
    assert by_name[found["choice"]["single"]]["organic_loss"] <= 0.03
    assert (out / "frontier.png").read_bytes()[:4] == b"\x89PNG"
    policies = sorted(out.glob("*.yaml"))
    assert len(policies) == len(found["hull"]) + 1
    for policy in policies:
        replayed = runner.invoke(app, ["replay", str(log), "--policy", str(policy), "--json"])
        assert replayed.exit_code == 0, replayed.output
    chosen = json.loads(replayed.stdout if policies[-1].name == "chosen.yaml" else "{}")
    assert chosen["metrics"]["revenue_micros"]["other"] == pytest.approx(
        by_name[found["choice"]["single"]]["revenue_micros"]
    )


def test_the_table_marks_where_the_log_stands_and_what_is_chosen(log: Path, tmp_path: Path) -> None:
    asked = [
        "tune",
        "blend",
        str(log),
        "--min-revenue",
        "0.9",
        "--out",
        str(tmp_path / "o"),
        "--max-share",
        "0.2",
    ]
    result = runner.invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "(current)" in result.stdout
    assert "*" in result.stdout
    assert "at least 0.9 times" in result.stdout


def test_help_has_an_example_and_errors_are_of_the_user(log: Path) -> None:
    assert "Example: adsrank tune blend" in runner.invoke(app, ["tune", "blend", "--help"]).stdout.replace(
        "\n", " "
    )
    for wrong in (
        ["--max-organic-loss", "2"],
        ["--max-organic-loss", "0.1", "--min-revenue", "1"],
        ["--min-gap", "0"],
    ):
        result = runner.invoke(app, ["tune", "blend", str(log), *wrong])
        assert isinstance(result.exception, InputError), result.output
    assert isinstance(runner.invoke(app, ["tune", "blend", str(log / "none")]).exception, InputError)
