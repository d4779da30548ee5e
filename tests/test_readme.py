"""Every command and every snippet of the README runs, and every link leads somewhere."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
COMMANDS = [
    shlex.split(line.removeprefix("$ "), comments=True)
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
]
GROUPS = ("audit", "bundle", "calibration", "campaigns", "features", "market", "simulate", "tune")
"""Commands whose verb is the second word."""
ADSRANK = [sys.executable, "-c", "from serving.cli import main; main()"]


def run(words: list[str], where: Path, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(ADSRANK + words, cwd=where, capture_output=True, text=True, timeout=seconds)


def test_links_lead_to_files_of_the_project():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.strip().splitlines()[-1][:40])
def test_snippets_run(snippet: str):
    exec(compile(snippet, "README.md", "exec"), {})


def test_the_python_snippets_are_short():
    assert len(SNIPPETS) == 2
    for snippet in SNIPPETS:
        assert len([line for line in snippet.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("words", sorted({tuple(command[1:3]) for command in COMMANDS}))
def test_every_command_has_help_with_an_example(words: tuple[str, ...], tmp_path: Path):
    verb = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    names = verb[:2] if verb[0] in GROUPS else verb[:1]
    done = run([*names, "--help"], tmp_path)
    assert done.returncode == 0
    assert "Example: adsrank " + names[0] in " ".join(done.stdout.split())


@pytest.mark.ray
def test_the_commands_run_in_their_order(tmp_path: Path):
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    assert COMMANDS[0][1] == "demo"
    for command in COMMANDS:
        words = command[1:]
        if words[0] == "bench":
            continue  # minutes of measuring; its rows are tested in tests/benchmarks
        if words[0] == "demo":
            words = ["demo", "--requests", "200"]
        if words[0] == "serve":
            serve([*words, "--port", "0"], tmp_path)
            continue
        done = run(words, tmp_path)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.stdout.strip()
    report = tmp_path / "demo-out" / "report.html"
    assert 20_000 < report.stat().st_size < 3_000_000
    page = report.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="https?:|url\(https?:', page)


def serve(words: list[str], where: Path) -> None:
    """Start the server, see it ready, end it as a person would."""
    process = subprocess.Popen(ADSRANK + words, cwd=where, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "ready at http" in line:
                break
        else:
            pytest.fail("the server ended before it was ready")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
