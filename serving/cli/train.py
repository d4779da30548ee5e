"""`adsrank train`: from a training table, or an engine's own log, to a model bundle."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serving.cli.console import Json, bar, emit_json, table

EXAMPLE = "Example: adsrank train runs/market/examples.parquet --out runs/bundle"


def run(
    source: Annotated[
        Path, typer.Argument(help="Training table (Parquet), or the folder of a decision log.")
    ],
    out: Annotated[Path, typer.Option(help="New folder for the bundle.")] = Path("runs/bundle"),
    config: Annotated[Path | None, typer.Option(help="Training settings, YAML.")] = None,
    features: Annotated[Path | None, typer.Option(help="Feature table, YAML.")] = None,
    space: Annotated[
        str | None, typer.Option(help="Embedding space of the similarities; default: the settings'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train, calibrate on later rows, test on the last ones, and save the bundle."""
    from adsrank.features.spec import FeatureSpec
    from adsrank.training.config import TrainConfig
    from adsrank.training.run import run as train

    settings = TrainConfig.load(config) if config else TrainConfig()
    if space:
        settings = settings.model_copy(update={"embedding_space": space})
    spec = FeatureSpec.load(features) if features else None
    with bar("train") as progress:
        report = train(source, out, settings, spec, lambda stage, done, total: progress(done, total, stage))
    if as_json:
        emit_json(report)
        return
    table(*training_table(report))
    table("time split", ["part", "rows", "from"], split_rows(report))


def training_table(report: dict[str, Any]) -> tuple[str, list[str], list[list[object]]]:
    """Title, columns and rows of the heads' figures."""
    columns = ["head", "rows", "positives", "AUC", "NE", "PCOC raw", "PCOC"]
    return (
        f"bundle {report['bundle']}: {report['epochs']} epochs, {report['rows_per_s']:,.0f} rows/s",
        columns,
        [
            [
                head,
                f"{f['rows']:,}",
                f"{f['positives']:,.0f}",
                _number(f["auc"]),
                _number(f["normalized_entropy"]),
                _number(f["pcoc_raw"]),
                _number(f["pcoc"]),
            ]
            for head, f in report["heads"].items()
        ],
    )


def split_rows(report: dict[str, Any]) -> list[list[object]]:
    """Rows of the time split: part, rows, first moment."""
    return [
        [part, f"{report['split'][part]['rows']:,}", report["split"][part]["from"]]
        for part in ("train", "calibrate", "test")
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
