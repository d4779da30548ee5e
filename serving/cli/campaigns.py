"""`adsrank campaigns apply`: put accounts, campaigns, ad groups and ads into the catalog."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from serving.cli.console import INPUT_ERROR, Json, emit_json, err, table

if TYPE_CHECKING:
    from adsrank.catalog.problem import CatalogFileError

app = typer.Typer(name="campaigns", help="The catalog of campaigns and ads.", no_args_is_help=True)

EXAMPLE = "Example: adsrank campaigns apply catalog.jsonl --validate-only"


@app.callback()
def campaigns() -> None:
    """The catalog of campaigns and ads."""


@app.command(epilog=EXAMPLE)
def apply(
    file: Annotated[Path, typer.Argument(help="JSON Lines or YAML, one entity a row with its `kind`.")],
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Check, change nothing.")] = False,
    database: Annotated[
        str, typer.Option("--database", help="SQLAlchemy URL; postgresql:// needs the extra `postgres`.")
    ] = "sqlite:///adsrank.db",
    as_json: Json = False,
) -> None:
    """Validate FILE whole, then apply all of it or nothing; errors name row, field, value and fix."""
    from adsrank.catalog.file import read_catalog
    from adsrank.catalog.problem import CatalogFileError
    from adsrank.catalog.store import Store

    with Store(database) as store:
        try:
            catalog = read_catalog(file, store.known())
        except CatalogFileError as error:
            _refuse(error, as_json)
        version = None if validate_only else store.apply(catalog)
    counts = {
        "accounts": len(catalog.accounts),
        "campaigns": len(catalog.campaigns),
        "ad_groups": len(catalog.ad_groups),
        "ads": len(catalog.ads),
    }
    if as_json:
        emit_json({"valid": True, "applied": not validate_only, "version": version, "counts": counts})
    else:
        table(
            "valid, nothing applied" if validate_only else f"applied as version {version}",
            ["kind", "rows"],
            counts.items(),
        )


def _refuse(error: "CatalogFileError", as_json: bool) -> NoReturn:
    problems = [str(problem) for problem in error.problems]
    if as_json:
        emit_json({"valid": False, "applied": False, "total": error.total, "problems": problems})
    else:
        for problem in problems:
            err.print(problem, markup=False, soft_wrap=True)
        err.print(f"[red]error:[/red] {error.total} problem(s) in the file; nothing was applied")
    raise typer.Exit(INPUT_ERROR)
