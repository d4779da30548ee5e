"""`adsrank tune model`: training settings with the least loss on later rows."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from serving.cli.console import Json, bar, emit_json, err, out, table

EXAMPLE = "Example: adsrank tune model runs/market/examples.parquet --trials 8 --out tuned.yaml"


def run(
    source: Annotated[
        Path,
        typer.Argument(help="Training table: a Parquet file, a folder of its parts, or a decision log."),
    ],
    trials: Annotated[
        int, typer.Option(min=1, max=10_000, help="Configurations to try; the first is the given one.")
    ] = 8,
    at_once: Annotated[int, typer.Option(min=1, max=256, help="Trials that run at the same time.")] = 1,
    config: Annotated[Path | None, typer.Option(help="Training settings to start from, YAML.")] = None,
    features: Annotated[Path | None, typer.Option(help="Feature table, YAML.")] = None,
    space: Annotated[Path | None, typer.Option(help="What to try, YAML; default: the usual rates.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the best settings, YAML.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of configurations.")] = 0,
    as_json: Json = False,
) -> None:
    """Fit each configuration on the training rows, judge it by the calibration rows; no test row is used."""
    import yaml

    from adsrank.errors import InputError
    from adsrank.features.spec import FeatureSpec
    from adsrank.training.config import TrainConfig
    from adsrank.training.prepare import stored
    from adsrank.training.run import prepare
    from adsrank.training.search import SearchSpace
    from adsrank.training.tune import tune

    base = TrainConfig.load(config) if config else TrainConfig()
    spec = FeatureSpec.load(features) if features else FeatureSpec.default()
    choices = SearchSpace.load(space) if space else SearchSpace()
    with tempfile.TemporaryDirectory(prefix="adsrank-tune-") as temporary, bar("tune") as progress:
        place = Path(temporary)
        prepared = stored(
            prepare(source, spec, base, place, lambda stage, done, total: progress(done, total, stage)), place
        )
        progress(0, trials, "trials")
        found = tune(prepared, place, base, choices, trials, at_once=at_once, seed=seed)
        progress(trials, trials, "trials")
    if out_file is not None:
        try:
            text = yaml.safe_dump(found.config.model_dump(mode="json"), sort_keys=False)
            out_file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(str(out_file), error.strerror, "give a file that can be written") from None
    if as_json:
        emit_json(found.to_json())
        return
    table(
        f"{len(found.trials)} trials, best first",
        ["changes", "loss on later rows", "epochs", "rows/s"],
        [
            [
                ", ".join(f"{name} {_short(value)}" for name, value in trial.changes.items()) or "as given",
                "-" if trial.loss is None else f"{trial.loss:.5f}",
                trial.epochs,
                f"{trial.rows_per_s:,.0f}",
            ]
            for trial in found.trials
        ],
    )
    if out_file is not None:
        out.print(f"wrote {out_file}", markup=False)
        err.print(f"next: adsrank train {source} --config {out_file}", soft_wrap=True)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
