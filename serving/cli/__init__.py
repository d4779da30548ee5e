"""`adsrank`: one command a file; errors of users are one line, never a traceback."""

import os

# Before numpy and torch load: threads that spin or crowd each other make two cores six times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))

import typer

from serving.cli import audit, bench, campaigns, demo, features, market, replay, serve, simulate, train, tune
from serving.cli.console import INPUT_ERROR, fail

app = typer.Typer(
    name="adsrank",
    help="Ads ranking and auction engine: retrieve, score, calibrate, lay out and price ads in a feed.",
    epilog="Start with: adsrank demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
for command in (demo, serve, train, replay, bench):
    app.command(name=command.__name__.rpartition(".")[2], epilog=command.EXAMPLE)(command.run)
app.add_typer(simulate.app)
app.add_typer(audit.app)
app.add_typer(campaigns.app)
app.add_typer(features.app)
app.add_typer(market.app)
app.add_typer(tune.app)


def main() -> None:
    """Entry point of the console script.

    Exit codes: 0 done; 1 a check failed (a replay that differs, a bench row that does not hold);
    2 bad usage or input; 130 interrupted. Anything else that escapes is a bug, and shows as one.
    """
    from adsrank.errors import AdsrankError
    from auction.errors import AuctionError
    from calibration import CalibrationError
    from serving.launch import LaunchError

    try:
        app()
    except (AdsrankError, AuctionError, CalibrationError, LaunchError) as error:
        fail(str(error), INPUT_ERROR)
