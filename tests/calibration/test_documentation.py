"""The examples in the page and in the docstrings are run."""

import doctest
import importlib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"


def test_the_example_of_the_page_runs():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted >= 10
    assert found.failed == 0


@pytest.mark.parametrize("name", ["drift", "joint", "sampling", "metrics"])
def test_the_examples_of_the_docstrings_run(name):
    found = doctest.testmod(importlib.import_module(f"calibration.{name}"))
    assert found.attempted >= 1
    assert found.failed == 0
