"""The pages of docs/: snippets run and print what they say, links and tests they name are there."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
SNIPPETS = [
    (name, snippet)
    for name, text in TEXTS.items()
    for snippet in re.findall(r"```python\n(.*?)```", text, re.S)
]


@pytest.mark.parametrize(("name", "snippet"), SNIPPETS, ids=[name for name, _ in SNIPPETS])
def test_snippets_run_and_print_what_their_comments_say(name: str, snippet: str) -> None:
    if snippet.startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(snippet, {}, name, name, 0)
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
        return
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, name, "exec"), {})
    for said in re.findall(r"^print\(.*\)  # ([^\n:]+)", snippet, re.M):
        assert said.strip() in printed.getvalue()


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files_of_the_project(name: str) -> None:
    links = [
        link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", TEXTS[name]) if "://" not in link
    ]
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_the_tests_that_a_page_names_exist(name: str) -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    named = re.findall(r"`((?:test|assert)_\w+)`", TEXTS[name])
    assert [one for one in named if f"def {one}(" not in tests] == []
    paths = re.findall(r"`((?:tests|auction|calibration|adsrank|benchmarks)/[\w/.]+)`", TEXTS[name])
    assert [path for path in paths if not (ROOT / path).exists()] == []
