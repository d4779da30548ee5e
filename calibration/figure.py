"""A figure that is written the same for the same data."""

from pathlib import Path
from typing import TYPE_CHECKING

from calibration.errors import CalibrationError, require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read_path(path: str | Path) -> Path:
    """A path that ends in .png or .svg; raises `CalibrationError` for another."""
    target = Path(path)
    require(target.suffix in (".png", ".svg"), "path", str(path), "a name that ends in .png or .svg")
    return target


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", target: Path) -> Path:
    """Write the figure and return its path; raises `CalibrationError` where it cannot be written."""
    from matplotlib import rc_context

    # Without a fixed salt and date two files would differ.
    metadata = {"Date": None} if target.suffix == ".svg" else {"Software": None}
    try:
        with rc_context({"svg.hashsalt": "calibration"}):
            figure.savefig(target, metadata=metadata)
    except OSError as error:
        raise CalibrationError("path", str(target), f"it cannot be written: {error.strerror}") from None
    return target
