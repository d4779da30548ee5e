"""`adsrank features`: a feature table from data, and a check that serving and training see the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.console import CHECK_FAILED, Json, bar, emit_json, err, out, table

if TYPE_CHECKING:
    from adsrank.catalog.snapshot import Snapshot
    from adsrank.features.infer import Guess
    from adsrank.features.parity import ParityReport
    from adsrank.request import AdRequest

app = typer.Typer(name="features", help="The declared features.", no_args_is_help=True)

INFER = "Example: adsrank features infer examples.parquet --out features.yaml"
TABLES = "Example: adsrank features tables runs/bundle"
CHECK = "Example: adsrank features check runs/log --catalog catalog.jsonl --bundle runs/bundle"


@app.callback()
def features() -> None:
    """The declared features."""


@app.command(epilog=INFER)
def infer(
    file: Annotated[Path, typer.Argument(help="CSV (also .tsv, .gz) or Parquet, of any size.")],
    destination: Annotated[
        Path | None, typer.Option("--out", help="Write the feature table here; else it is printed.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A column not known before an ad is shown; repeat for several.")
    ] = None,
    header: Annotated[bool, typer.Option(help="The first line of a CSV file names its columns.")] = True,
    as_json: Json = False,
) -> None:
    """Guess a row for each column of FILE, with the reasons, as YAML to edit and to train with."""
    from adsrank.errors import InputError
    from adsrank.features.infer import infer as run
    from adsrank.features.table_file import batches

    with bar("rows") as progress:
        found = run(batches(file, header), label or [], lambda rows: progress(rows))
    text = found.yaml()
    if destination is not None:
        if destination.exists():
            raise InputError(
                str(destination), "exists already", "give a new file: an edited one would be lost"
            )
        try:
            destination.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(str(destination), error.strerror, "give a file that can be written") from None
    if as_json:
        emit_json({"rows": found.rows, "columns": [guess.to_json() for guess in found.guesses]})
    elif destination is None:
        typer.echo(text, nl=False)
    else:
        kept = [guess for guess in found.guesses if guess.row is not None]
        table(
            f"{destination}: {len(kept)} features of {len(found.guesses)} columns, {found.rows:,} rows",
            ["column", "feature", "why"],
            [_line(guess) for guess in found.guesses],
        )


def _line(guess: "Guess") -> tuple[str, str, str]:
    row = guess.row
    made = "-" if row is None else f"{row['group']} {row['transform']}"
    return guess.profile.name, made, "; ".join(guess.reasons)


@app.command(epilog=CHECK)
def check(
    log: Annotated[Path, typer.Argument(help="Folder of a decision log.")],
    catalog: Annotated[
        str | None,
        typer.Option(help="Catalog file, snapshot folder or database URL: makes the ads' columns again."),
    ] = None,
    requests: Annotated[
        Path | None, typer.Option(help="The requests as sent, JSON Lines: make the requests' columns again.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the bundle that decided: its ids and scores again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the features that serving logged with those made again offline, column by column.

    Exit 1 if any value differs. What nothing at hand can make again is listed as unproven.
    """
    from adsrank.features.parity import check as run
    from adsrank.models.bundle import Bundle
    from auction.log import DecisionLog

    opened = DecisionLog(log)
    served = Bundle.load(bundle, admission=None) if bundle is not None else None
    space = served.embedding_space if served is not None else None
    snapshot = _snapshot(catalog, space) if catalog is not None else None
    report = run(opened, snapshot, _requests(requests) if requests else None, served)
    if as_json:
        emit_json(report.to_json())
    else:
        _show(report)
    if not report.holds:
        raise typer.Exit(CHECK_FAILED)


@app.command(epilog=TABLES)
def tables(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    as_json: Json = False,
) -> None:
    """Show each embedding table of a bundle: its values, how many have an id apart, and collisions."""
    from adsrank.features.summary import summaries
    from adsrank.models.bundle import Bundle

    found = summaries(Bundle.load(bundle, admission=None).transform)
    if as_json:
        emit_json([each.to_json() for each in found])
        return
    table(
        f"embedding tables of {bundle}: {sum(each.rows for each in found):,} rows",
        ["table", "kind", "rows", "distinct", "own id", "collisions", "expected", "features"],
        [
            [
                each.table,
                each.kind,
                f"{each.rows:,}",
                "-" if each.distinct is None else f"{each.distinct:,}",
                "-" if each.own is None else f"{each.own:.1%}",
                "-" if each.collisions is None else f"{each.collisions:,}",
                "-" if each.expected_collisions is None else f"{each.expected_collisions:,.0f}",
                ", ".join(each.features),
            ]
            for each in found
        ],
    )


def _snapshot(where: str, space: str | None) -> "Snapshot":
    from adsrank.catalog.archive import load_snapshot
    from adsrank.catalog.file import read_catalog
    from adsrank.catalog.freezer import freeze_catalog
    from adsrank.catalog.store import Store

    if "://" in where:
        with Store(where) as store:
            return freeze_catalog(store.load(), space)
    if Path(where).is_dir():
        return load_snapshot(where)
    return freeze_catalog(read_catalog(where), space)


def _requests(path: Path) -> "dict[str, AdRequest]":
    """Requests by their id.

    Raises:
        InputError: a line that is no request; names file, line and field.
    """
    from pydantic import ValidationError

    from adsrank.errors import InputError
    from adsrank.request import AdRequest

    found = {}
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    request = AdRequest.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors(include_url=False)[0]
                    where = ".".join(str(part) for part in first["loc"])
                    said = line[:60].decode(errors="replace")
                    raise InputError(f"{path}:{number}: {where}", said, first["msg"]) from None
                found[request.request_id] = request
    except OSError as error:
        raise InputError(str(path), error.strerror, "give requests, one JSON object a line") from None
    return found


def _show(report: "ParityReport") -> None:
    table(
        f"{report.decisions:,} decisions, {report.placements:,} ads shown",
        ["column", "made again from", "equal", "different", "nothing to compare"],
        [
            [each.column, each.made_from, f"{each.equal:,}", f"{each.different:,}", f"{each.missing:,}"]
            for each in report.agreements.values()
        ],
    )
    if report.unproven:
        out.print(f"unproven, for want of --catalog, --requests or --bundle: {', '.join(report.unproven)}")
    if report.other_snapshot:
        out.print(
            f"{report.other_snapshot:,} ads were decided with another catalog than this one: "
            "where an ad's columns differ, it may have been edited since"
        )
    for each in report.agreements.values():
        if each.first is not None:
            err.print(f"{each.column} ({each.made_from}): {each.first}", markup=False, soft_wrap=True)
    out.print("[green]nothing differs[/green]" if report.holds else "[red]SOMETHING DIFFERS[/red]")
