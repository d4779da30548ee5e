"""`adsrank simulate`: one advertiser's settings changed, all else equal."""

from pathlib import Path
from typing import Annotated

import typer

from serving.cli.console import Json, bar, emit_json, out, table, units

app = typer.Typer(name="simulate", help="What an advertiser would get.", no_args_is_help=True)

EXAMPLE = "Example: adsrank simulate bids demo-out/serve/log --campaign 2001"


@app.callback()
def simulate() -> None:
    """What an advertiser would get."""


@app.command(epilog=EXAMPLE)
def bids(
    log: Annotated[Path, typer.Argument(help="Folder of a decision log.")],
    campaign: Annotated[int, typer.Option(help="Campaign id.")],
    bid: Annotated[
        list[int] | None, typer.Option(help="A bid in micros per event bid for; repeat for several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bid landscape: the campaign's auctions held again at other bids."""
    from auction.simulation import landscape

    with bar("landscape") as progress:
        found = landscape(log, campaign, bids_micros=bid or None, progress=progress.decisions)
    data = found.to_json()
    if as_json:
        emit_json(data)
        return
    table(
        f"campaign {campaign}: expected results by bid, from {data['auctions']:,} auctions",
        ["bid", "impressions", "clicks", "cost", "conversions", "value", ""],
        [
            [
                units(row["bid_micros"]),
                f"{row['impressions']:,.1f}",
                f"{row['clicks']:,.2f}",
                units(row["cost_micros"]),
                f"{row['conversions']:,.3f}",
                "-" if row["value_micros"] is None else units(row["value_micros"]),
                "extrapolated" if row["extrapolated"] else "",
            ]
            for row in data["rows"]
        ],
    )
    for note in data["notes"]:
        out.print(f"[dim]- {note}[/dim]")
