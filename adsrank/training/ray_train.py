"""The fit on a Ray cluster: workers that share each batch, with the same code as one process.

Ray Train starts the workers, joins them into one process group and starts them again after a fault; a
restarted fit goes on from its last checkpoint. What the workers leave is a finished checkpoint, which the
process that asked for them reads as if it had fitted itself.
"""

import os
from pathlib import Path
from typing import Any

import torch

from adsrank.errors import AdsrankError, InputError
from adsrank.models.bundle import Bundle
from adsrank.training.checkpoint import Checkpoints
from adsrank.training.config import TrainConfig
from adsrank.training.fit import fit_rows
from adsrank.training.journal import Journal, Silent
from adsrank.training.memory import keep_freed_memory
from adsrank.training.prepare import Prepared
from adsrank.training.prepared_folder import read_prepared, write_prepared
from adsrank.training.run_folder import RunFolder
from adsrank.training.warm import carried
from adsrank.training.workers import Workers

RESTARTS = 2
"""Faults of a worker after which the fit is given up."""


class WorkersError(AdsrankError):
    """The cluster could not finish the fit."""


def fit_with_workers(
    prepared: Prepared,
    config: TrainConfig,
    workers: int,
    place: Path,
    checkpoints: Checkpoints,
    kept: RunFolder | None = None,
    since: str | Path | None = None,
) -> None:
    """Leave a finished fit of `prepared` (rows in files that every worker can read) in `checkpoints`.

    A cluster that is connected is used; else one is started on this machine and stopped afterwards.

    Raises:
        WorkersError: a worker failed more than `RESTARTS` times; says how.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    write_prepared(prepared, place)
    told = {
        "place": str(place.absolute()),
        "config": config.model_dump(mode="json"),
        "checkpoints": str(checkpoints.folder.absolute()),
        "fingerprint": checkpoints.fingerprint,
        "seconds": checkpoints.seconds,
        "run": None if kept is None else str(kept.folder.absolute()),
        "since": None if since is None else str(Path(since).absolute()),
    }
    own = not ray.is_initialized()
    if own:
        start_ray(workers)
    try:
        TorchTrainer(
            fit_share,
            train_loop_config=told,
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
            run_config=RunConfig(
                name="fit",
                storage_path=str((place / "ray").absolute()),
                failure_config=FailureConfig(max_failures=RESTARTS),
            ),
        ).fit()
    except Exception as error:
        said = str(error).strip() or type(error).__name__
        raise WorkersError(f"workers: {said.splitlines()[-1][:200]}") from error
    finally:
        if own:
            ray.shutdown()


def fit_share(told: dict[str, Any]) -> None:
    """What each worker runs."""
    config = TrainConfig.model_validate(told["config"])
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    workers = Workers.joined()
    prepared = read_prepared(Path(told["place"]))
    journal: Journal = Silent()
    if workers.rank == 0 and told["run"] is not None:
        journal = RunFolder(told["run"], resume=True)
    since = (
        None
        if told["since"] is None
        else carried(Bundle.load(told["since"], admission=None), prepared.transform)
    )
    try:
        fit_rows(
            prepared.transform,
            prepared.train,
            prepared.calibrate,
            config,
            start=since,
            checkpoints=Checkpoints(Path(told["checkpoints"]), told["fingerprint"], told["seconds"]),
            journal=journal,
            workers=workers,
        )
    except InputError as error:
        raise RuntimeError(str(error)) from None  # Ray copies what a worker raises: a plain error can be
    workers.wait()


def start_ray(cpus: int) -> None:
    """A cluster on this machine alone, that talks to nobody and whose workers are not slowed down."""
    import ray

    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    packages = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    paths = f"{packages}{os.pathsep}{known}" if known else packages
    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}},
    )
