"""`adsrank calibration report`: what scores and labels in a file say of their calibration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.console import Json, bar, emit_json, out, table

if TYPE_CHECKING:
    from calibration.interval import Interval
    from calibration.report import Report
    from calibration.slices import GroupRatio, MarginBin

EXAMPLE = "Example: adsrank calibration report scored.parquet --segment advertiser --plot clicks.png"
MOST_GROUPS = 20

File = Annotated[Path, typer.Argument(help="CSV (.csv, .csv.gz) or Parquet, a row a shown ad.")]
Score = Annotated[str, typer.Option(help="Column of the probabilities.")]
Label = Annotated[str, typer.Option(help="Column of 0 and 1.")]
Weight = Annotated[str | None, typer.Option(help="Column of weights; default: `weight`, where there is one.")]
Exposure = Annotated[
    str | None, typer.Option(help="Column of the chance that the ad was seen; default: `exposure`.")
]
Segment = Annotated[
    list[str] | None, typer.Option(help="Column of ids; repeat. Default: `segment`, where there is one.")
]
Replicates = Annotated[int, typer.Option(help="Bootstrap replicates.", min=20, max=100_000)]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal intervals.", min=0)]


def report(
    file: File,
    score: Score = "score",
    label: Label = "label",
    weight: Weight = None,
    exposure: Exposure = None,
    segment: Segment = None,
    margin: Annotated[
        str | None, typer.Option(help="Column of winners' margins of victory; default: `margin`.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of ids that the bootstrap draws as a whole, such as users.")
    ] = None,
    bins: Annotated[int, typer.Option(help="Bins of equal mass.", min=1, max=1000)] = 15,
    replicates: Replicates = 200,
    seed: Seed = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Write the reliability picture here (.png, .svg).")
    ] = None,
    winners_plot: Annotated[Path | None, typer.Option(help="Write the winner's curve here.")] = None,
    as_json: Json = False,
) -> None:
    """PCOC, log loss, normalized entropy, AUC, ECE, Murphy's terms and field errors, with intervals."""
    from adsrank.errors import InputError
    from calibration.figure import read_path
    from calibration.plot import plot_reliability
    from calibration.ratio_plot import plot_winners_curve
    from calibration.report import report as judge
    from serving.cli.score_file import ScoreFile

    for picture in (plot, winners_plot):
        if picture is not None and not read_path(picture).parent.is_dir():
            raise InputError("plot", str(picture), "give a file in a folder that exists")
    source = ScoreFile.open(file)
    scores, labels = source.numbers(score), source.numbers(label)
    weights = source.usual(weight, "weight")
    exposures = source.usual(exposure, "exposure")
    margins = source.usual(margin, "margin")
    if winners_plot is not None and margins is None:
        raise InputError("margin", "absent", "the winner's curve needs the margins of victory")
    with bar("metrics") as progress:
        found = judge(
            scores,
            labels,
            weights,
            exposures,
            segment={name: source.ids(name) for name in source.segments(segment)},
            margin=margins,
            cluster=source.ids(cluster) if cluster else None,
            bins=bins,
            seed=seed,
            replicates=replicates,
            progress=lambda done, total: progress(done, total, "metrics"),
        )
    if plot is not None:
        plot_reliability(scores, labels, plot, weights, exposures, bins=bins, title=file.name)
    if winners_plot is not None and margins is not None:
        plot_winners_curve(scores, labels, margins, winners_plot, weights, exposures, title=file.name)
    if as_json:
        emit_json(found.to_json())
        return
    _show(found, file)
    for picture in (plot, winners_plot):
        if picture is not None:
            out.print(f"picture: {picture}", markup=False)


def cells(found: "Interval | None") -> tuple[str, str]:
    if found is None:
        return "-", "not defined here"
    return f"{found.value:.5g}", f"{found.low:.5g} to {found.high:.5g}"


def _show(found: "Report", file: Path) -> None:
    table(
        f"{file.name}: {found.rows:,} rows, {found.positives:,.6g} positives",
        ["metric", "value", "95 % interval", "if every score were right"],
        [
            (
                name,
                *cells(interval),
                " to ".join(f"{end:.5g}" for end in (chance.low, chance.high))
                if (chance := found.chance.get(name))
                else "",
            )
            for name, interval in found.figures.items()
        ],
    )
    shown = found.reliability
    table(
        "reliability, bins of equal mass",
        ["scores", "mass", "predicted", "observed"],
        [
            (f"{low:.4g} to {high:.4g}", f"{mass:,.6g}", f"{predicted:.4g}", f"{observed:.4g}")
            for low, high, mass, predicted, observed in zip(
                shown.low, shown.high, shown.mass, shown.predicted, shown.observed, strict=True
            )
        ],
    )
    for name, rows in found.groups.items():
        largest = sorted(rows, key=lambda row: -row.rows)[:MOST_GROUPS]
        more = f", the {MOST_GROUPS} largest of {len(rows)}" if len(rows) > MOST_GROUPS else ""
        table(f"PCOC by {name}{more}", [name, *_RATIO], [(row.group, *_ratio(row)) for row in largest])
    if found.winners is not None:
        table(
            "winners, by margin of victory",
            ["margin", *_RATIO],
            [(f"{row.low:.4g} to {row.high:.4g}", *_ratio(row)) for row in found.winners],
        )


_RATIO = ("rows", "predicted", "observed", "pcoc", "95 % interval")


def _ratio(row: "GroupRatio | MarginBin") -> tuple[str, ...]:
    high = "no upper end" if row.pcoc_high is None else f"{row.pcoc_high:.3f}"
    return (
        f"{row.rows:,}",
        f"{row.predicted:,.1f}",
        f"{row.observed:,.6g}",
        "-" if row.pcoc is None else f"{row.pcoc:.3f}",
        f"{row.pcoc_low:.3f} to {high}",
    )
