"""Pictures as files: the same data give the same bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

from auction.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_picture(path: str | Path) -> Path:
    """The path, if a picture can be written there: to be asked before an hour's work, not after.

    Raises:
        InputError: another ending, or no such folder.
    """
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise InputError("plot", str(path), "give a name that ends in .png or .svg")
    if not target.parent.is_dir():
        raise InputError("plot", str(path), "give a file in a folder that exists")
    return target


def new_picture(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, apart from whatever the caller's own matplotlib draws on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_picture(figure: "Figure", path: str | Path, dpi: float = 120) -> Path:
    """Write the figure to `path` (.png or .svg) and return it.

    Raises:
        InputError: as `check_picture`, or a file that cannot be written.
    """
    from matplotlib import rc_context

    target = check_picture(path)
    # Without a fixed salt and date two files of the same data would differ.
    metadata = {"Date": None} if target.suffix == ".svg" else {"Software": None}
    try:
        with rc_context({"svg.hashsalt": "auction"}):
            figure.savefig(target, dpi=dpi, metadata=metadata)
    except OSError as error:
        raise InputError(str(target), error.strerror, "give a file that can be written") from None
    return target
