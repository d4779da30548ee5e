"""`adsrank audit auction` as a person runs it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from auction.log.events import EventWriter, LoggedEvent
from auction.policy import AuctionPolicy, Exposure
from auction.simulation.sample import sample_slates
from tests.auction.small_log import log_batch

ROOT = Path(__file__).resolve().parents[3]
ADSRANK = [sys.executable, "-c", "from serving.cli import main; main()", "audit", "auction"]


def adsrank(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ADSRANK, *map(str, words)], capture_output=True, text=True, cwd=ROOT, timeout=300)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Twenty decisions."""
    policy = AuctionPolicy(
        name="logged", exchange_rate=9_000.0, exposure=Exposure(examination=[0.95**s for s in range(20)])
    )
    batch = sample_slates(np.random.default_rng(5), 20, (3, 8), (6, 12))
    return log_batch(tmp_path / "log", batch, policy)


def charge(log: Path, placements: Sequence[str], micros: int) -> None:
    EventWriter(log, "events").write(
        [
            LoggedEvent(
                f"e{n}", name, "r", 1, 1, "click", datetime(2026, 1, 1, tzinfo=UTC), 0, micros, "charged"
            )
            for n, name in enumerate(placements)
        ]
    )


def test_a_sampled_market_is_audited_as_json_and_as_a_picture(tmp_path: Path) -> None:
    done = adsrank("--slates", 8, "--slots", 1, "--slots", 2, "--json", "--plot", tmp_path / "regret.png")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["holds"]
    assert data["vcg_is_truthful"]
    assert [row["slots"] for row in data["regret"]] == [1, 2] * 3
    assert (tmp_path / "regret.png").stat().st_size > 5_000


def test_a_log_is_audited_in_words_under_its_own_policy(log: Path) -> None:
    done = adsrank(log, "--slots", 2)
    assert done.returncode == 0, done.stderr
    assert "policy 'logged'" in done.stdout
    assert "20 slates" in done.stdout
    assert "charges" in done.stdout
    assert "a single misreport gains beyond rounding: nothing" in " ".join(done.stdout.split())


def test_a_broken_identity_is_exit_code_1_and_is_spelt_out(log: Path) -> None:
    charge(log, ["p0-0"], 2**40)
    done = adsrank(log, "--slots", 1)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    assert "placement p0-0" in done.stderr


def test_another_policy_takes_the_logged_exposure(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("name: other\nrules: {max_ads: 1}\n")
    done = adsrank(log, "--policy", other, "--slots", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["policy"] == "other"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no-such-log"], "no-such-log"),
        (["--plot", "regret.pdf"], "plot"),
        (["--policy", "no-such.yaml"], "no-such.yaml"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line_and_exit_code_2(words: list[str], says: str) -> None:
    done = adsrank(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_help_has_an_example() -> None:
    done = adsrank("--help")
    assert done.returncode == 0
    assert "Example: adsrank audit auction" in done.stdout
