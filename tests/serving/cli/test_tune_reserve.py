"""`adsrank tune reserve`, as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from auction.errors import InputError
from auction.policy import AuctionPolicy, Exposure, Reserve
from auction.simulation.sample import sample_slates
from serving.cli import app
from tests.auction.small_log import log_batch

POLICY = AuctionPolicy(
    exchange_rate=12_000.0,
    exposure=Exposure(examination=[0.93**s for s in range(20)], gap_effect=[0.4, 0.6, 0.8, 0.9]),
    reserve=Reserve(click_micros=150_000),
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    batch = sample_slates(np.random.default_rng(0), 120, ads=(0, 8), organics=(0, 10))
    return log_batch(tmp_path_factory.mktemp("tune") / "log", batch, POLICY, users=60)


def test_a_table_a_policy_and_a_picture(log: Path, tmp_path: Path) -> None:
    policy, picture = tmp_path / "policy.yaml", tmp_path / "reserve.png"
    arguments = [
        "tune",
        "reserve",
        str(log),
        "--out",
        str(policy),
        "--plot",
        str(picture),
        "--by",
        "category",
    ]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "best" in result.output
    assert "held-out gain" in result.output
    assert "any other" in result.output
    assert AuctionPolicy.load(policy).exposure == POLICY.exposure
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_json_agrees_with_the_policy_it_holds(log: Path) -> None:
    arguments = ["tune", "reserve", str(log), "--event", "impression", "--objective", "net", "--json"]
    arguments += ["--reserve", "0", "--reserve", "20000"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    replay = data["replay"]
    assert [row["reserve_micros"] for row in replay["rows"]] == [0, 20_000]
    assert replay["policy"]["reserve"]["impression_micros"] == replay["best"]["reserve_micros"]
    assert replay["best"]["net"]["total"] == max(row["net"]["total"] for row in replay["rows"])
    assert data["law"]["n"] > 50


def test_errors_are_one_line_and_help_shows_an_example(log: Path, tmp_path: Path) -> None:
    for arguments in (
        [str(tmp_path / "none")],
        [str(log), "--out", str(tmp_path / "no" / "policy.yaml")],
        [str(tmp_path / "none"), "--plot", str(tmp_path / "reserve.pdf")],
    ):
        result = CliRunner().invoke(app, ["tune", "reserve", *arguments])
        assert isinstance(result.exception, InputError)
        assert "\n" not in str(result.exception)
    assert "plot" in str(result.exception)  # before the log is read
    assert CliRunner().invoke(app, ["tune", "reserve", str(log), "--event", "tap"]).exit_code == 2
    assert "Example" in CliRunner().invoke(app, ["tune", "reserve", "--help"]).output
