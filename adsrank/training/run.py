"""Training from files to a folder: what the command line calls."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.training.config import TrainConfig
from adsrank.training.fit import Progress
from adsrank.training.join import join_log
from adsrank.training.train import train

MAX_FILE_BYTES = 64 * 2**30


def run(
    table_path: str | Path,
    out: str | Path,
    config: TrainConfig | None = None,
    spec: FeatureSpec | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on a Parquet table, or on the folder of a decision log with its events; returns the report.

    The bundle is saved into the new folder `out`.

    Raises:
        InputError: the table cannot be read or used; names file and column.
        BundleError: `out` exists or cannot be written.
    """
    config, spec = config or TrainConfig(), spec or FeatureSpec.default()
    source = Path(table_path)
    table = join_log(source, config.attribution_days) if source.is_dir() else read_table(source, spec)
    trained = train(table, spec, config, progress)
    trained.bundle.save(out)
    return trained.report


def read_table(path: str | Path, spec: FeatureSpec) -> pa.Table:
    """The columns that training needs, of a Parquet file.

    Raises:
        InputError: not a readable Parquet file, or a column is absent; names the file.
    """
    path = Path(path)
    labels = ("time", "position", "gap", "click", "save", "hide", "conversion")
    needed = sorted({name for row in spec.features for name in row.sources} | set(labels))
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(str(path), path.stat().st_size, f"at most {MAX_FILE_BYTES} bytes")
        with pq.ParquetFile(path) as file:
            absent = [name for name in needed if name not in file.schema_arrow.names]
            if absent:
                raise InputError(f"{path}: {absent[0]}", "absent", "the table needs this column")
            optional = [name for name in ("long_click", "value_micros") if name in file.schema_arrow.names]
            return file.read(columns=sorted({*needed, *optional}))
    except OSError as error:
        raise InputError(
            str(path), error.strerror or str(error)[:120], "give a readable Parquet file"
        ) from None
    except pa.ArrowException as error:
        raise InputError(str(path), str(error).split("\n")[0][:120], "give a valid Parquet file") from None
