"""`adsrank calibration` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from adsrank.errors import InputError
from calibration import CalibrationError, from_json, metrics
from serving.cli import app
from serving.cli.console import fail

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def scored() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 2_000
    z = rng.normal(-2.0, 1.0, n)
    return pd.DataFrame(
        {
            "score": 1 / (1 + np.exp(-z)),
            "label": (rng.random(n) < 1 / (1 + np.exp(-(0.8 * z + 0.4)))).astype(int),
            "segment": rng.choice(["home", "search"], n),
            "margin": rng.exponential(1.0, n),
        }
    )


def adsrank(*words: object) -> str:
    done = CliRunner().invoke(app, ["calibration", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_a_report_of_either_kind_of_file_gives_the_packages_own_figures(tmp_path, scored, ending):
    file = tmp_path / f"scored.{ending}"
    scored.to_parquet(file) if ending == "parquet" else scored.to_csv(file, index=False)
    plots = "--plot", tmp_path / "r.png", "--winners-plot", tmp_path / "w.svg"
    found = json.loads(adsrank("report", file, "--json", "--replicates", 20, *plots))
    expected = metrics.pcoc(scored["score"].to_numpy(), scored["label"].to_numpy())
    assert found["figures"]["pcoc"]["value"] == pytest.approx(expected, rel=1e-9)
    assert found["figures"]["pcoc"]["low"] < expected < found["figures"]["pcoc"]["high"]
    assert {row["group"] for row in found["groups"]["segment"]} == {"home", "search"}
    assert len(found["winners"]) == 5
    assert (tmp_path / "r.png").stat().st_size > 1000
    assert (tmp_path / "w.svg").stat().st_size > 1000


def test_tables_name_every_figure(tmp_path, scored):
    file = tmp_path / "scored.csv"
    scored.rename(columns={"score": "p", "label": "click"}).to_csv(file, index=False)
    said = adsrank("report", file, "--score", "p", "--label", "click", "--replicates", 20)
    for word in ("pcoc", "normalized_entropy", "field_rce.segment", "search", "by margin of victory"):
        assert word in said


def test_a_fitted_calibrator_is_judged_on_later_rows_and_written_as_judged(tmp_path, scored):
    file, target = tmp_path / "scored.parquet", tmp_path / "clicks.json"
    scored.to_parquet(file)
    options = ("--method", "platt", "--hold-out", "0.4", "--replicates", 20, "--json")
    found = json.loads(adsrank("fit", file, target, *options))
    assert found["fitted_rows"] == 1_200
    assert found["before"]["figures"]["pcoc"]["value"] < 0.9
    made, later = from_json(target.read_text()), scored.iloc[1_200:]
    segment = {"segment": later["segment"].to_numpy(dtype=str)}
    p = made.transform(later["score"].to_numpy(), segment=segment)
    expected = metrics.pcoc(p, later["label"].to_numpy())
    assert found["after"]["figures"]["pcoc"]["value"] == pytest.approx(expected, rel=1e-9)
    said = adsrank("fit", file, target, "--sampling-rate", "0.5", "--replicates", 20)
    assert "SamplingCorrection" in said
    assert "judged on the 1,000 after" in " ".join(said.split())


def broken(kind: str, scored: pd.DataFrame) -> pd.DataFrame:
    wrong = scored.astype({"label": float})
    if kind == "a missing score":
        wrong.loc[3, "score"] = None
    elif kind == "an infinite score":
        wrong.loc[3, "score"] = np.inf
    elif kind == "a label of 2":
        wrong.loc[3, "label"] = 2.0
    elif kind == "weights of zero":
        wrong["weight"] = 0.0
    elif kind == "no label":
        wrong = wrong.drop(columns="label")
    elif kind == "words for scores":
        wrong["score"] = "high"
    elif kind == "fractions for segments":
        wrong["segment"] = 0.5
    elif kind == "a negative margin":
        wrong["margin"] = -1.0
    return wrong


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("a missing score", "score[3]"),
        ("an infinite score", "scores[3]"),
        ("a label of 2", "labels[3]"),
        ("weights of zero", "weight"),
        ("no label", "label"),
        ("words for scores", "score"),
        ("fractions for segments", "segment"),
        ("a negative margin", "margin[0]"),
    ],
)
def test_a_bad_column_is_named(tmp_path, scored, kind, field):
    file = tmp_path / "scored.parquet"
    broken(kind, scored).to_parquet(file)
    with pytest.raises((InputError, CalibrationError)) as caught:
        adsrank("report", file, "--replicates", 20)
    assert caught.value.field == field


def test_a_bad_file_or_place_is_one_line_and_exit_2(tmp_path, scored):
    noise = tmp_path / "noise.parquet"
    noise.write_bytes(b"PAR1 is not enough")
    text = tmp_path / "scored.txt"
    text.write_text("score,label\n0.1,0\n")
    for file in (noise, text, tmp_path / "absent.csv"):
        with pytest.raises(InputError, match="file"):
            adsrank("report", file)
    good = tmp_path / "scored.csv"
    scored.to_csv(good, index=False)
    for words in (("report", good, "--plot", tmp_path / "r.exe"), ("report", good, "--plot", "/no/r.png")):
        with pytest.raises((InputError, CalibrationError)):
            adsrank(*words)
    for words in (("report", good, "--plot", tmp_path / "r.png"), ("fit", good, tmp_path / "r.png")):
        (tmp_path / "r.png").mkdir(exist_ok=True)
        with pytest.raises((InputError, CalibrationError), match=r"path|target"):
            adsrank(*words, "--replicates", 20)
    with pytest.raises(InputError, match="it cannot be written"):
        adsrank("fit", good, "/proc/c.json", "--replicates", 20)
    twice = tmp_path / "twice.csv"
    twice.write_text("score,label,score\n0.1,0,0.2\n0.2,1,0.3\n")
    with pytest.raises(InputError, match="score: 'there twice'"):
        adsrank("report", twice)
    with pytest.raises(InputError, match="method"):
        adsrank("fit", good, tmp_path / "c.json", "--method", "magic")
    command = [sys.executable, "-c", "from serving.cli import main; main()", "calibration", "report", noise]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: file")


def test_brackets_in_names_are_no_markup(tmp_path, scored, capsys):
    """`pip install "adsrank[onnx]"` was shown without its end, and a segment [/b] was a traceback."""
    file = tmp_path / "[b]scored[b].csv"
    scored.assign(segment="[/b]" + scored["segment"] + "\x1b[2J").to_csv(file, index=False)
    said = adsrank("report", file, "--replicates", 20)
    assert "[b]scored[b].csv" in said
    assert "[/b]search\\x1b[2J" in said
    with pytest.raises(SystemExit):
        fail('[/b]: pip install "adsrank[onnx]"', 2)
    assert capsys.readouterr().err == 'error: [/b]: pip install "adsrank[onnx]"\n'
