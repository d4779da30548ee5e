"""`adsrank calibration`: how far scores can be trusted, and a calibrator for them."""

import typer

from serving.cli import calibration_fit, calibration_report

app = typer.Typer(name="calibration", help="Judge and mend scores in a file.", no_args_is_help=True)


@app.callback()
def calibration() -> None:
    """Judge and mend scores in a file."""


app.command(name="report", epilog=calibration_report.EXAMPLE)(calibration_report.report)
app.command(name="fit", epilog=calibration_fit.EXAMPLE)(calibration_fit.fit)
