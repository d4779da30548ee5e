"""`adsrank tune`: settings of the policy, found from a decision log, and of the training."""

import typer

from serving.cli import tune_blend, tune_model, tune_reserve

app = typer.Typer(
    name="tune", help="Find settings of the policy from a log, or of the training.", no_args_is_help=True
)


@app.callback()
def tune() -> None:
    """Find settings of the policy from a log, or of the training."""


app.command(name="blend", epilog=tune_blend.EXAMPLE)(tune_blend.blend)
app.command(name="reserve", epilog=tune_reserve.EXAMPLE)(tune_reserve.run)
app.command(name="model", epilog=tune_model.EXAMPLE)(tune_model.run)
