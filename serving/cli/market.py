"""`adsrank market generate`: the built-in market, or a real one, as files."""

from pathlib import Path
from typing import Annotated

import typer

from serving.cli.console import Json, bar, emit_json, table

app = typer.Typer(name="market", help="Markets to try the engine on.", no_args_is_help=True)

EXAMPLE = "Example: adsrank market generate runs/market --seed 7 --ads 4000"


@app.callback()
def market() -> None:
    """Markets to try the engine on."""


@app.command(epilog=EXAMPLE)
def generate(
    out: Annotated[Path, typer.Argument(help="Folder for catalog.jsonl, examples.parquet and the world.")],
    seed: Annotated[int, typer.Option(help="Equal seeds give equal files.", min=0)] = 7,
    users: Annotated[int, typer.Option(min=1)] = 3000,
    pins: Annotated[int, typer.Option(min=1)] = 8000,
    ads: Annotated[int, typer.Option(min=1)] = 4000,
    advertisers: Annotated[int, typer.Option(min=1)] = 150,
    impressions: Annotated[int, typer.Option(help="Rows of the training table.", min=1)] = 200_000,
    data: Annotated[
        Path | None, typer.Option(help="Pinterest user-pin data (train.txt.gz or its folder) instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a market: its catalog, the log of two weeks as a training table, and its users' requests."""
    from adsrank.data.market import make
    from adsrank.data.market_folder import write_market
    from serving.demo.run import counts

    with bar("market", 2) as progress:
        market = make(
            seed, data, users=users, pins=pins, advertisers=advertisers, ads=ads, impressions=impressions
        )
        progress(1)
        write_market(out, market)
    if as_json:
        emit_json(counts(market))
    else:
        table(f"market in {out}", ["what", "count"], counts(market).items())
