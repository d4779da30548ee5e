"""`adsrank calibration`: how far scores can be trusted, and a calibrator for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.console import Json, bar, emit_json, out, table

if TYPE_CHECKING:
    import numpy as np

    from calibration import Calibrator
    from calibration.interval import Interval
    from calibration.report import Report
    from calibration.slices import GroupRatio, MarginBin
    from serving.cli.score_file import ScoreFile

app = typer.Typer(name="calibration", help="Judge and mend scores in a file.", no_args_is_help=True)

REPORT_EXAMPLE = "Example: adsrank calibration report scored.parquet --segment advertiser --plot clicks.png"
FIT_EXAMPLE = "Example: adsrank calibration fit scored.csv clicks.json --method isotonic"

METHODS = ("isotonic", "platt", "beta", "temperature")
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


@app.callback()
def calibration() -> None:
    """Judge and mend scores in a file."""


@app.command(epilog=REPORT_EXAMPLE)
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
    weights = _optional(source, weight, "weight")
    exposures = _optional(source, exposure, "exposure")
    margins = _optional(source, margin, "margin")
    if winners_plot is not None and margins is None:
        raise InputError("margin", "absent", "the winner's curve needs the margins of victory")
    with bar("metrics") as progress:
        found = judge(
            scores,
            labels,
            weights,
            exposures,
            segment={name: source.ids(name) for name in _segments(source, segment)},
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


@app.command(epilog=FIT_EXAMPLE)
def fit(
    file: File,
    target: Annotated[Path, typer.Argument(help="Where to write the calibrator, JSON.")],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")] = "isotonic",
    sampling_rate: Annotated[
        float | None, typer.Option(help="Part of the negatives that the model was trained on.")
    ] = None,
    hold_out: Annotated[
        float,
        typer.Option(help="Last part of the rows, in the file's order, to judge on.", min=0.05, max=0.95),
    ] = 0.5,
    score: Score = "score",
    label: Label = "label",
    weight: Weight = None,
    exposure: Exposure = None,
    segment: Segment = None,
    replicates: Replicates = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Fit on the first rows, judge before and after on the last ones, and write what was judged.

    The file's order is taken for time: a calibrator is judged on rows later than those it learned from.
    """
    import json

    from adsrank.errors import InputError
    from calibration.report import report as judge
    from calibration.sample import read_sample
    from serving.cli.score_file import ScoreFile

    if not target.parent.is_dir():
        raise InputError("target", str(target), "give a file in a folder that exists")
    source = ScoreFile.open(file)
    names = _segments(source, segment)
    calibrator = _calibrator(method, sampling_rate, names)
    rows = read_sample(
        source.numbers(score),
        source.numbers(label),
        _optional(source, weight, "weight"),
        _optional(source, exposure, "exposure"),
        {name: source.ids(name) for name in names},
    )
    cut = round(len(source) * (1.0 - hold_out))
    if not 0 < cut < len(source):
        raise InputError("file", f"{len(source)} rows", "give rows to fit on and rows to judge on")
    first, later = rows.take(slice(0, cut)), rows.take(slice(cut, None))
    calibrator.fit(first.scores, first.labels, first.weight, first.exposure, segment=first.segment)
    after = later.with_scores(calibrator.transform(later.scores, segment=later.segment))
    reports = {
        when: judge(
            part.scores,
            part.labels,
            part.weight,
            part.exposure,
            segment=part.segment,
            seed=seed,
            replicates=replicates,
        )
        for when, part in (("before", later), ("after", after))
    }
    target.write_text(json.dumps(calibrator.to_json(), allow_nan=False) + "\n", encoding="utf-8")
    if as_json:
        emit_json({"fitted_rows": cut, **{name: found.to_json() for name, found in reports.items()}})
        return
    table(
        f"{calibrator!r}: fitted on {cut:,} rows, judged on the {len(source) - cut:,} after them",
        ["metric", "before", "95 % interval", "after", "95 % interval"],
        [
            (name, *_cells(reports["before"].figures[name]), *_cells(reports["after"].figures[name]))
            for name in reports["before"].figures
        ],
    )
    out.print(f"calibrator: {target}", markup=False)


def _calibrator(method: str, sampling_rate: float | None, segments: list[str]) -> "Calibrator":
    from adsrank.errors import InputError
    from calibration import (
        BetaCalibrator,
        Calibrator,
        Chain,
        IsotonicCalibrator,
        PlattCalibrator,
        SamplingCorrection,
        SegmentCalibrator,
        TemperatureCalibrator,
    )

    made: dict[str, Calibrator] = dict(
        zip(
            METHODS,
            (IsotonicCalibrator(), PlattCalibrator(), BetaCalibrator(), TemperatureCalibrator()),
            strict=True,
        )
    )
    if method not in made:
        raise InputError("method", method, f"give one of {', '.join(METHODS)}")
    steps: list[Calibrator] = [] if sampling_rate is None else [SamplingCorrection(sampling_rate)]
    return Chain([*steps, made[method], *(SegmentCalibrator(name) for name in segments)])


def _optional(source: "ScoreFile", asked: str | None, usual: str) -> "np.ndarray | None":
    """The column that was asked for, or the usual one where there is one."""
    if asked is None and not source.has(usual):
        return None
    return source.numbers(asked or usual)


def _segments(source: "ScoreFile", asked: list[str] | None) -> list[str]:
    return asked or (["segment"] if source.has("segment") else [])


def _cells(found: "Interval | None") -> tuple[str, str]:
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
                *_cells(interval),
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
