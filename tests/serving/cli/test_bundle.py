"""`adsrank bundle` as a person runs it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adsrank.data.advertise import advertise
from adsrank.data.builtin import generate
from adsrank.data.history import history
from adsrank.data.truth import Truth
from adsrank.errors import BundleError
from adsrank.training import TrainConfig, train
from serving.cli import app

runner = CliRunner()
SEED = 3


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two bundles of one log, trained with other seeds."""
    world = generate(SEED, users=100, pins=400)
    opens = datetime.fromtimestamp(world.epoch, UTC)
    rows = advertise(world, SEED, advertisers=20, ads=150, start=opens)
    table = history(Truth(world, rows, SEED), SEED, opens, impressions=6_000)
    folder = tmp_path_factory.mktemp("bundles")
    for seed, name in ((1, "one"), (2, "two")):
        config = TrainConfig(epochs=1, seed=seed, embedding_space=world.embedding_space)
        train(table, config=config).bundle.save(folder / name)
    return folder / "one", folder / "two"


def run(*arguments: object, code: int = 0) -> str:
    done = runner.invoke(app, ["bundle", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout


def test_show_says_what_a_bundle_is_made_of(bundles: tuple[Path, Path]) -> None:
    text = run("show", bundles[0])
    for word in ("embedding space", "PCOC", "vocabularies", "weights.safetensors", "first stage"):
        assert word in text
    data = json.loads(run("show", bundles[0], "--json"))
    assert data["id"] in text
    assert data["sample_rows"] == 200
    assert set(data["held_out"]) == {
        "click", "conversion_given_click", "save", "hide", "click_conversion"
    }  # fmt: skip


def test_verify_lists_every_check_and_passes_a_good_bundle(bundles: tuple[Path, Path]) -> None:
    arguments = ("verify", bundles[0], "--max-ms", 10_000, "--allow-miscalibrated", "--json")
    found = json.loads(run(*arguments))
    assert found["serves"]
    checks = [finding["check"] for finding in found["findings"]]
    assert checks[0] == "files"
    assert {"answers of p_click", "processor time", "held-out PCOC of click"} <= set(checks)


def test_verify_fails_with_exit_code_1_and_says_which_check(bundles: tuple[Path, Path]) -> None:
    slow = run("verify", bundles[0], "--max-ms", 0.0001, "--allow-miscalibrated", code=1)
    assert "must not serve" in slow
    assert "give a smaller model" in slow
    other = json.loads(
        run(
            "verify",
            bundles[0],
            "--max-ms",
            9999,
            "--allow-miscalibrated",
            "--space",
            "x-v2",
            "--json",
            code=1,
        )
    )
    assert [finding["check"] for finding in other["findings"] if not finding["holds"]] == ["embedding space"]


def test_verify_names_a_corrupt_file(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"schema_version": 2}')
    found = json.loads(run("verify", tmp_path, "--json", code=1))
    assert not found["serves"]
    assert "manifest.json" in found["findings"][0]["note"]


def test_diff_shows_what_changed(bundles: tuple[Path, Path]) -> None:
    text = run("diff", *bundles)
    for word in ("training", "held-out figures", "weights", "answers to the stored sample", "p_click"):
        assert word in text
    data = json.loads(run("diff", *bundles, "--json"))
    assert data["before"] != data["after"]
    assert data["vocabularies"] == []
    assert "equal" in run("diff", bundles[0], bundles[0])


def test_publish_list_and_roll_back(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    lenient = ("--max-ms", 10_000, "--allow-miscalibrated", "--json")
    first = json.loads(run("publish", bundles[0], registry, *lenient))["current"]
    second = json.loads(run("publish", bundles[1], registry, *lenient))["current"]
    listed = json.loads(run("list", registry, "--json"))
    assert [(row["id"], row["current"]) for row in listed] == [(first, False), (second, True)]
    assert json.loads(run("rollback", registry, *lenient))["current"] == first
    assert "serves" in run("list", registry)
    assert json.loads(run("show", registry, "--json"))["id"] == first


def test_a_refused_bundle_is_an_error_of_the_user_and_no_traceback(
    bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    done = runner.invoke(app, ["bundle", "publish", str(tmp_path), str(tmp_path / "registry")])
    assert isinstance(done.exception, BundleError)  # `main` turns it into one line and exit code 2
    assert not (tmp_path / "registry").exists()


@pytest.mark.parametrize("command", ["show", "verify", "diff", "export", "publish", "rollback", "list"])
def test_every_command_has_an_example(command: str) -> None:
    assert "Example: adsrank bundle" in run(command, "--help")
