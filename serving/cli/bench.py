"""`adsrank bench NAME`: figures beside a peer in the same run."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from serving.cli.console import CHECK_FAILED, INPUT_ERROR, Json, emit_json, fail, table

EXAMPLE = "Example: adsrank bench auction --json"


def run(
    name: Annotated[
        str, typer.Argument(help="A file of benchmarks/, such as auction, decide or serve.")
    ] = "",
    as_json: Json = False,
    strict: Annotated[bool, typer.Option(help="Exit 1 where a figure is not reached.")] = False,
) -> None:
    """Measure and print rows of name, value, unit, to_reach, holds."""
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    known = sorted(
        path.stem for path in folder.glob("*.py") if "def rows(" in path.read_text(encoding="utf-8")
    )
    if name not in known:
        listed = ", ".join(known) or "none here: they come with the checkout, not with the package"
        fail(f"bench: {name!r} is no benchmark; known: {listed}", INPUT_ERROR)
    sys.path.insert(0, str(folder.parent))
    module = importlib.import_module(f"benchmarks.{name}")
    rows = list(module.rows())
    if as_json:
        emit_json(
            [
                {"name": r.name, "value": r.value, "unit": r.unit, "to_reach": r.to_reach, "holds": r.holds}
                for r in rows
            ]
        )
    else:
        table(
            f"bench {name}",
            ["name", "value", "unit", "to_reach", "holds"],
            [
                (
                    r.name,
                    f"{r.value:,.4g}",
                    r.unit,
                    r.to_reach or "",
                    "" if r.holds is None else ("yes" if r.holds else "no"),
                )
                for r in rows
            ],
        )
    if strict and any(row.holds is False for row in rows):
        raise typer.Exit(CHECK_FAILED)
