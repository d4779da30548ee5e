"""`adsrank tune`: a setting of the policy, found from a decision log."""

import typer

from serving.cli import tune_blend, tune_reserve

app = typer.Typer(name="tune", help="Find a setting of the policy from a log.", no_args_is_help=True)


@app.callback()
def tune() -> None:
    """Find a setting of the policy from a log."""


app.command(name="blend", epilog=tune_blend.EXAMPLE)(tune_blend.blend)
app.command(name="reserve", epilog=tune_reserve.EXAMPLE)(tune_reserve.run)
