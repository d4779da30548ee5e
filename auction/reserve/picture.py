"""A picture of a search for a reserve."""

from pathlib import Path

from auction.picture import new_picture, save_picture
from auction.reserve.estimate import ReserveEstimate
from auction.reserve.report import ReserveSearch


def draw_search(found: ReserveSearch, law: ReserveEstimate, path: str | Path) -> Path:
    """Write revenue and fill by reserve to `path` (.png or .svg) and return it.

    Raises:
        InputError: as `save_picture`.
    """
    reserve = [row.reserve_micros / 1e6 for row in found.rows]
    figure = new_picture(7.0, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for name, label in (("revenue", "revenue"), ("net", "revenue less organic value lost")):
        changes = [getattr(row, name) for row in found.rows]
        (line,) = upper.plot(reserve, [one.difference / 1e6 for one in changes], marker=".", label=label)
        if all(one.low is not None for one in changes):
            low, high = ([getattr(one, end) / 1e6 for one in changes] for end in ("low", "high"))
            upper.fill_between(reserve, low, high, color=line.get_color(), alpha=0.15)
    upper.axhline(0.0, color="0.6", linewidth=0.8)
    upper.set_ylabel("change against the log")
    lower.plot(reserve, [row.fill for row in found.rows], marker=".")
    lower.set_ylabel("fill")
    lower.set_ylim(0, 1)
    lower.set_xlabel(f"reserve per {found.event}")
    for axes in (upper, lower):
        axes.axvline(found.best.reserve_micros / 1e6, color="0.3", linestyle="--", linewidth=0.9)
        axes.axvline(law.reserve_micros / 1e6, color="0.3", linestyle=":", linewidth=0.9)
    upper.legend()
    upper.set_title("dashed: best by replay; dotted: from the law of bids", fontsize=9)
    return save_picture(figure, path)
