"""Training from files to a folder: what the command line calls."""

import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adsrank.errors import BundleError, InputError
from adsrank.features.spec import FeatureSpec
from adsrank.models.bundle import Bundle
from adsrank.models.document import canonical
from adsrank.training.checkpoint import Checkpoints
from adsrank.training.config import TrainConfig
from adsrank.training.fit import Progress
from adsrank.training.join import join_log
from adsrank.training.parts import Parts
from adsrank.training.prepare import (
    LABEL_COLUMNS,
    Prepared,
    Since,
    feature_columns,
    label_columns,
    prepare_parts,
    prepare_table,
    stored,
)
from adsrank.training.rows import READ, label_arrays
from adsrank.training.run_folder import RunFolder
from adsrank.training.split import EPOCH
from adsrank.training.train import threads, train_prepared
from adsrank.training.transfer import check_heads_to_compare, transfer_prepared
from adsrank.training.warm import fits


def run(
    table_path: str | Path,
    out: str | Path,
    config: TrainConfig | None = None,
    spec: FeatureSpec | None = None,
    progress: Progress | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    since: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    transfer_seeds: int = 0,
) -> dict[str, Any]:
    """Train on a Parquet table, a folder of its parts, or a decision log with its events; the report.

    Parameters:
        out: new folder for the bundle.
        folder: new folder for what the run leaves: settings, metrics, checkpoints (`RunFolder`).
        resume: go on from the last checkpoint in `folder`; the bundle is the same, to the bit.
        workers: processes of a Ray cluster that share each batch (`ray_train`).
        since: a bundle to train further, on the rows that are newer than those it learned from.
        transfer_seeds: fits of each task alone, for the report's `transfer`; 0: none, and `transfer` is
            None. The bundle is the same.

    Raises:
        InputError: the table cannot be read or used; names file and column. Or a transfer report is asked
            for where there is nothing to compare.
        BundleError: `out` exists or cannot be written, or `since` cannot be read.
    """
    config, out = config or TrainConfig(), Path(out)
    if out.exists():
        raise BundleError(f"{out}: exists already; bundles do not change, give a new folder")
    if transfer_seeds:
        if since is not None:
            raise InputError(
                "transfer",
                f"continuing {since}",
                "a task alone would start without its weights: train without a bundle to continue",
            )
        check_heads_to_compare(config)
    if folder is not None and out.absolute() in (Path(folder).absolute(), *Path(folder).absolute().parents):
        raise InputError(
            str(folder), "in the bundle's folder", "give a folder beside it: a bundle is written last"
        )
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written: {error.strerror}") from None
    began = None if since is None else Bundle.load(since, admission=None)
    if began is not None:
        config, spec = fits(began, config, spec), began.transform.spec
    spec = spec or FeatureSpec.default()
    with _folder(folder, out, resume, config, spec, table_path) as (place, kept), threads(config.threads):
        prepared = prepare(Path(table_path), spec, config, place, progress, began)
        checkpoints = (
            None
            if kept is None
            else Checkpoints(kept.checkpoints, fingerprint(prepared, config, began), checkpoint_seconds)
        )
        if workers > 1:
            from adsrank.training.ray_train import fit_with_workers

            checkpoints = checkpoints or Checkpoints(
                place / "checkpoints", fingerprint(prepared, config, began)
            )
            prepared = stored(prepared, place)
            fit_with_workers(prepared, config, workers, place, checkpoints, kept, since)
        trained = train_prepared(
            prepared, config, progress, since=began, checkpoints=checkpoints, journal=kept
        )
        # Before the bundle is there: killed on the way, the same call with `resume` still ends in both.
        transfer = transfer_prepared(prepared, config, progress, transfer_seeds) if transfer_seeds else None
        report = {**trained.report, "transfer": None if transfer is None else transfer.to_json()}
        trained.bundle.save(out)
        if kept is not None:
            kept.finish(report)
    return report


def prepare(
    path: Path,
    spec: FeatureSpec,
    config: TrainConfig,
    place: Path,
    progress: Progress | None = None,
    since: Bundle | None = None,
) -> Prepared:
    """The encoded rows of `path`; through files in `place` where they are more than `window_rows`."""
    known = None
    if since is not None:
        known = Since(_micros(since.manifest.data.calibrate_from), since.transform)
    if path.is_dir() and not any(path.glob("*.parquet")):
        return prepare_table(join_log(path, config.attribution_days), spec, config, known)
    parts = Parts(path)
    if len(parts) > config.window_rows:
        return prepare_parts(parts, spec, config, place, progress, known)
    return prepare_table(_table(parts, spec), spec, config, known)


def read_table(path: str | Path, spec: FeatureSpec) -> pa.Table:
    """The columns that training needs, of a Parquet file or a folder of parts.

    Raises:
        InputError: not a readable Parquet file, or a column is absent; names the file.
    """
    return _table(Parts(path), spec)


def fingerprint(prepared: Prepared, config: TrainConfig, since: Bundle | None = None) -> str:
    """Of what is trained on and how: settings, encoders, split, and every row as it was encoded."""
    n, content = len(prepared.rows), 0
    for start in range(0, n, READ):
        batch, labels = prepared.rows.read(start, min(start + READ, n))
        for values in (*batch.request.arrays(), *batch.ad.arrays(), *label_arrays(labels).values()):
            content = zlib.crc32(np.ascontiguousarray(values).data, content)
    told = {
        "config": config.model_dump(mode="json"),
        "transform": prepared.transform.to_json(),
        "split": prepared.split.to_json(),
        "content": content,
        "since": None if since is None else since.id,
    }
    return hashlib.sha256(canonical(told)).hexdigest()


def _table(parts: Parts, spec: FeatureSpec) -> pa.Table:
    columns = {*feature_columns(spec), *LABEL_COLUMNS}
    parts.require(sorted(columns))
    return parts.read(sorted({*columns, *label_columns(parts)}))


@contextmanager
def _folder(
    folder: str | Path | None,
    out: Path,
    resume: bool,
    config: TrainConfig,
    spec: FeatureSpec,
    table_path: str | Path,
) -> Iterator[tuple[Path, RunFolder | None]]:
    """Where files of the run go, and the run's folder if one was asked for."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix=".rows-", dir=out.absolute().parent) as temporary:
            yield Path(temporary), None
        return
    kept = RunFolder(folder, resume)
    if not kept.learned:
        kept.begin(config, {"table": str(table_path), "out": str(out), "features": spec.hash})
    try:
        yield kept.rows, kept
    except Exception:
        if not kept.learned:
            kept.withdraw()
        raise
    finally:
        kept.close()
    shutil.rmtree(kept.rows, ignore_errors=True)


def _micros(moment: str) -> int:
    return (datetime.fromisoformat(moment) - EPOCH) // timedelta(microseconds=1)
