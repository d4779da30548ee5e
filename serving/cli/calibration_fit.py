"""`adsrank calibration fit`: a calibrator from a file's first rows, judged on its last ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.calibration_report import (
    Exposure,
    File,
    Label,
    Replicates,
    Score,
    Seed,
    Segment,
    Weight,
    cells,
)
from serving.cli.console import Json, emit_json, out, table

if TYPE_CHECKING:
    from calibration import Calibrator

EXAMPLE = "Example: adsrank calibration fit scored.csv clicks.json --method isotonic"
METHODS = ("isotonic", "platt", "beta", "temperature")


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

    if not target.parent.is_dir() or target.is_dir():
        raise InputError("target", str(target), "give a file in a folder that exists")
    source = ScoreFile.open(file)
    names = source.segments(segment)
    calibrator = _calibrator(method, sampling_rate, names)
    rows = read_sample(
        source.numbers(score),
        source.numbers(label),
        source.usual(weight, "weight"),
        source.usual(exposure, "exposure"),
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
    try:
        target.write_text(json.dumps(calibrator.to_json(), allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError("target", str(target), f"it cannot be written: {error.strerror}") from None
    if as_json:
        emit_json({"fitted_rows": cut, **{name: found.to_json() for name, found in reports.items()}})
        return
    table(
        f"{calibrator!r}: fitted on {cut:,} rows, judged on the {len(source) - cut:,} after them",
        ["metric", "before", "95 % interval", "after", "95 % interval"],
        [
            (name, *cells(reports["before"].figures[name]), *cells(reports["after"].figures[name]))
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
