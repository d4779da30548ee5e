"""`adsrank train`: from a training table, or an engine's own log, to a model bundle."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serving.cli.console import Json, bar, emit_json, err, table

EXAMPLE = (
    "Example: adsrank train runs/market/examples.parquet --out runs/bundle\n\n"
    "Killed? The same command with --resume makes the same bundle.\n\n"
    "Newer hours: adsrank train newer.parquet --continue runs/bundle --out runs/bundle-2\n\n"
    "Does a task do better without the others? adsrank train examples.parquet --transfer"
)


def run(
    source: Annotated[
        Path,
        typer.Argument(help="Training table: a Parquet file, a folder of its parts, or a decision log."),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the bundle.")] = Path("runs/bundle"),
    config: Annotated[Path | None, typer.Option(help="Training settings, YAML.")] = None,
    features: Annotated[Path | None, typer.Option(help="Feature table, YAML.")] = None,
    space: Annotated[
        str | None, typer.Option(help="Embedding space of the similarities; default: the settings'.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--run", help="Folder for metrics, event files and checkpoints; default: OUT.run."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Least time between two checkpoints; 0: after every step.")
    ] = 60.0,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share each batch.")] = 1,
    since: Annotated[
        Path | None,
        typer.Option("--continue", help="Bundle to train further, on the rows newer than it learned from."),
    ] = None,
    transfer: Annotated[
        bool,
        typer.Option(
            "--transfer",
            help="Train each task alone as well, and report whether the others help or hurt it. The bundle "
            "stays the same; it takes a fit more a task, in this process.",
        ),
    ] = False,
    transfer_seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Fits whose losses --transfer averages; default: 1. Implies it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train, calibrate on later rows, test on the last ones, and save the bundle."""
    from adsrank.features.spec import FeatureSpec
    from adsrank.training.config import TrainConfig
    from adsrank.training.memory import keep_freed_memory
    from adsrank.training.run import run as train

    keep_freed_memory()
    settings = TrainConfig.load(config) if config else TrainConfig()
    if space:
        settings = settings.model_copy(update={"embedding_space": space})
    spec = FeatureSpec.load(features) if features else None
    kept = folder or out.parent / f"{out.name}.run"
    with bar("train") as progress:
        report = train(
            source,
            out,
            settings,
            spec,
            lambda stage, done, total: progress(done, total, stage),
            folder=kept,
            resume=resume,
            workers=workers,
            since=since,
            checkpoint_seconds=checkpoint_seconds,
            transfer_seeds=transfer_seeds or int(transfer),
        )
    if as_json:
        emit_json(report)
        return
    table(*training_table(report))
    table("time split", ["part", "rows", "from"], split_rows(report))
    table(*lookup_table(report))
    if report["transfer"] is not None:
        _show_transfer(report["transfer"])
    for name in report["missing_columns"]:
        err.print(f"[yellow]note:[/yellow] {name} holds no value in the training rows", soft_wrap=True)
    err.print(f"run: {kept} (tensorboard --logdir {kept})", soft_wrap=True)


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


def lookup_table(report: dict[str, Any]) -> tuple[str, list[str], list[list[object]]]:
    """Title, columns and rows of what became of the categories' values."""
    return (
        f"embedding tables, {sum(each['rows'] for each in report['tables']):,} rows: "
        "missing and unseen are of the test",
        ["table", "rows", "distinct", "own id", "collisions", "missing", "unseen"],
        [
            [
                each["table"],
                f"{each['rows']:,}",
                "-" if each["distinct"] is None else f"{each['distinct']:,}",
                _share(each["own"]),
                "-" if each["collisions"] is None else f"{each['collisions']:,}",
                _share(each["missing"]),
                _share(each["unseen"]),
            ]
            for each in report["tables"]
        ],
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _show_transfer(report: dict[str, Any]) -> None:
    from adsrank.training.transfer import COLUMNS, TransferReport

    found = TransferReport.from_json(report)
    table("tasks alone and together: normalized entropy (amounts: deviance)", COLUMNS, found.rows())
    for head in found.undecided:
        err.print(f"[yellow]note:[/yellow] transfer: the test rows cannot judge {head}", soft_wrap=True)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
